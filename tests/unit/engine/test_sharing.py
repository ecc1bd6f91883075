"""A claim and the settle behind it as one stage: nobody could tell the difference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.commit import NEVER, Answer, Changes, Commit, Due, Guards, Reply, Stage, Then
from orchestrator.engine.sharing import in_one, own_reply, with_kept_back
from orchestrator.settings import Settings
from orchestrator.store.memory import MemoryStore

NAMES = st.sampled_from(("a", "b", "c", "token"))
TEXTS = st.sampled_from(("0", "1", "t"))
MEMBERS = st.lists(st.tuples(st.sampled_from(("s", "open")), st.sampled_from(("x", "t"))), max_size=2).map(tuple)
GUARDS: st.SearchStrategy[Guards] = st.dictionaries(NAMES, TEXTS | st.none(), max_size=3)
MARK = {"by": "t"}


def changes(added: Any, **more: Any) -> st.SearchStrategy[Changes]:
    """Changes to a few fields; `parked` and `since` are those that a claim removes and stamps."""
    names = st.sampled_from(("a", "b", "c", "token", "a", "b", "c", "token", "parked", "since"))
    some = st.lists(names, max_size=1).map(tuple)
    known: dict[str, Any] = {
        "set": st.dictionaries(names, TEXTS, max_size=2),
        "delete": some,
        "stamp": st.dictionaries(names, st.just(5), max_size=1),
        "number": some,
        "entries": st.dictionaries(st.sampled_from(("one", "two")), st.sampled_from((None, NEVER, Due(7))), max_size=2),
        "events": st.just(({"type": "told"},)),
    }
    return st.builds(Changes, add=added, **{**known, **more})


CLAIMED = changes(
    st.sampled_from(((), (("open", "t"),))),
    set=st.dictionaries(NAMES, TEXTS, max_size=2).map(lambda held: {**held, "token": "t"}),
    delete=st.sampled_from(((), ("parked",))),
    stamp=st.sampled_from(({}, {"since": 5})),
    number=st.sampled_from(((), ("a",))),
)
CLAIMS = st.builds(Stage, guards=GUARDS, changes=CLAIMED, already=st.just(MARK))
THEN = st.builds(Then, guards=GUARDS | st.sampled_from(({"n:s": "0"}, {"n:s": "1"})), changes=changes(MEMBERS))
SETTLES = st.builds(
    Stage,
    guards=st.sampled_from(({"token": "t"}, {}, {"a": "1"})),
    changes=changes(MEMBERS, remove=MEMBERS).map(lambda one: one | Changes(set=MARK)),
    already=st.just(MARK),
    then=st.lists(THEN, max_size=2).map(tuple),
)
BEGUN = st.fixed_dictionaries({}, optional={"a": TEXTS, "b": TEXTS, "token": TEXTS, "n:s": st.just("1")}).map(
    lambda held: {**held, **({"m:s:x": "1"} if "n:s" in held else {})}
)


def after(begun: dict[str, str], *stages: Stage) -> tuple[Reply, dict[str, str], dict[str, float], list[Any]]:
    """The answers to a commit of these stages, and everything that it leaves; counts of nothing left out."""
    store = MemoryStore(Settings(), lambda: 100)
    store.apply(Commit("r", None, (Stage({}, Changes(set={"incarnation": "1", "created_at": "1", **begun})),)))
    reply = store.apply(Commit("r", "1", stages))
    left = {name: text for name, text in store.read_all("r")[1].items() if (name, text) != ("n:open", "0")}
    return reply, left, store.entries("r"), [one.event for one in store.history("r")]


@given(BEGUN, CLAIMS, SETTLES)
def test_one_stage_leaves_what_the_two_would(begun: dict[str, str], claimed: Stage, settled: Stage) -> None:
    """Whatever they are guarded by, change and set off: if there is such a stage, it stands where both would."""
    both = in_one(claimed, settled)
    if both is None:
        return

    reply, *left = after(begun, claimed, settled)
    alone, *left_alone = after(begun, both)

    assert left_alone == left
    assert alone.first is reply.answers[-1]


def test_a_settle_that_hangs_on_more_than_its_claim_is_a_stage_of_its_own() -> None:
    """What the claim does not see to, it cannot answer for."""
    claimed = Stage({"a": "ready"}, Changes(set={"a": "running", "token": "t"}, delete=("parked",), stamp={"at": 0}))

    assert in_one(claimed, Stage({"token": "t"}, Changes())) is not None
    assert in_one(claimed, Stage({"token": "other"}, Changes())) is None
    assert in_one(claimed, Stage({"token": "t", "b": "1"}, Changes())) is None
    assert in_one(claimed, Stage({"token": "t"}, Changes(), due=("a",))) is None
    assert in_one(claimed, Stage({"token": "t"}, Changes(set={"parked": "1"}))) is None
    assert in_one(claimed, Stage({"token": "t"}, Changes(set={"at": "1"}))) is None


def test_a_condition_that_the_claim_has_ruled_out_is_not_sent() -> None:
    """A run that is not stopping is not drained; unless the stage itself stops it."""
    claimed = Stage({"stopping": "0"}, Changes(set={"token": "t"}))
    drained = Then({"stopping": "1"}, Changes())

    kept = in_one(claimed, Stage({"token": "t"}, Changes(set={"stopping": "1"}), then=(drained,)))
    left_out = in_one(claimed, Stage({"token": "t"}, Changes(), then=(drained,)))

    assert (kept and kept.then, left_out and left_out.then) == ((drained,), ())


@pytest.mark.parametrize(
    ("answers", "own"),
    [("aa", "a"), ("ar", "r"), ("r", "r"), ("yy", "y")],
)
def test_a_commit_is_told_what_became_of_its_own_stages(answers: str, own: str) -> None:
    """Of those before it, whichever way they were put together, only that they did not stand."""
    letters = {"a": Answer.APPLIED, "r": Answer.REFUSED, "y": Answer.ALREADY}
    before = (Stage({}, Changes()), Stage({}, Changes(set={"token": "t"})))
    commit = Commit("r", "1", (Stage({"token": "t"}, Changes()),))
    sent = with_kept_back(commit, before)

    reply = own_reply(commit, Reply(tuple(letters[one] for one in answers), 0, {}), sent)

    assert len(sent.stages) == 2
    assert reply.answers == (letters[own],)
