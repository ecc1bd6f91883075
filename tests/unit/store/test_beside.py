from __future__ import annotations

import pytest

from orchestrator.engine.commit import Changes, Commit, Stage, Then
from orchestrator.settings import Settings
from orchestrator.store.beside import fetch_beside, may_say_long, put_beside
from orchestrator.store.blobs import MemoryBlobs
from orchestrator.store.keys import Keys
from orchestrator.store.memory import MemoryStore
from orchestrator.store.payloads import Payloads, is_reference, reference_to
from orchestrator.store.wire import encode

LONG = '"' + "a" * 200 + '"'


@pytest.fixture
def payloads() -> Payloads:
    """Payloads that keep what has over 100 bytes."""
    return Payloads(MemoryBlobs(), inline_bytes=100)


def test_a_commit_of_short_values_is_the_same_commit(payloads: Payloads) -> None:
    """Nothing is copied that need not be."""
    commit = Commit("run", "1", (Stage({"a": "1", "b": None}, Changes(set={"a": "2"})),))

    assert put_beside(payloads, commit) is commit


@pytest.mark.parametrize(
    ("text", "told"), [("a", False), ("@you", False), (LONG, True), (reference_to("a"), True), ("é" * 51, True)]
)
def test_what_a_commit_is_sent_as_tells_that_it_says_nothing_long(payloads: Payloads, text: str, told: bool) -> None:
    """So that a commit of short values, as nearly all are, is not gone through for them."""
    commit = Commit("run", "1", (Stage({}, Changes(set={"a": text})),))
    _, (body, *_) = encode(commit, Keys("o", 1), 10)

    assert may_say_long(payloads, body) is told
    assert told is (put_beside(payloads, commit) is not commit)


def test_long_values_are_replaced_wherever_a_commit_sets_them(payloads: Payloads) -> None:
    """In every stage, and in what follows from one."""
    later = Then({"n:live": "0"}, Changes(set={"c": LONG}))
    stage = Stage({}, Changes(set={"a": LONG, "b": "1"}, number=("s",)), due=("$",), then=(later,))

    (changed,) = put_beside(payloads, Commit("run", "1", (stage,))).stages

    assert changed.changes == Changes(set={"a": reference_to(LONG), "b": "1"}, number=("s",))
    assert (changed.due, changed.then[0].guards) == (stage.due, later.guards)
    assert changed.then[0].changes.set == {"c": reference_to(LONG)}
    assert payloads.fetch("run", reference_to(LONG)) == LONG


def test_a_guard_on_a_long_value_still_holds(payloads: Payloads) -> None:
    """The same text has the same reference, here and in the next commit."""
    store = MemoryStore(Settings(), lambda: 0)
    store.apply(put_beside(payloads, Commit("run", None, (Stage({}, Changes(set={"incarnation": "1", "a": LONG})),))))
    stage = Stage({"a": LONG}, Changes(set={"b": "1"}), already={"b": LONG})

    reply = store.apply(put_beside(payloads, Commit("run", "1", (stage,), reads=("a", "b", "c"))))

    assert reply.first.stands
    assert is_reference(reply.values["a"] or "")
    assert fetch_beside(payloads, "run", reply.values) == {"a": LONG, "b": "1", "c": None}


def test_long_values_of_another_run_are_kept_beside_that_one(payloads: Payloads) -> None:
    """A child's input, in the commit that makes its parent wait."""
    born = Commit("run/a:1", None, (Stage({}, Changes(set={"input": LONG})),))

    (stage,) = put_beside(payloads, Commit("run", "1", (Stage({}, Changes(also=(born,))),))).stages

    assert stage.changes.also[0].stages[0].changes.set == {"input": reference_to(LONG)}
    assert payloads.fetch("run/a:1", reference_to(LONG)) == LONG


def test_a_guard_keeps_nothing(payloads: Payloads) -> None:
    """Only what is written is kept."""
    blobs = MemoryBlobs()

    put_beside(Payloads(blobs, inline_bytes=100), Commit("run", "1", (Stage({"a": LONG}, Changes()),)))

    assert blobs.get("run", reference_to(LONG)[8:72]) is None
