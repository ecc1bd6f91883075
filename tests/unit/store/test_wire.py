from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.commit import NEVER, Answer, Changes, Commit, Due, Stage, Then
from orchestrator.store.keys import Keys
from orchestrator.store.wire import decode, encode, event_text

KEYS = Keys("o", 16)


def test_what_is_empty_is_not_sent() -> None:
    """A commit costs what it changes."""
    _, args = encode(Commit("run", "1", (Stage({}, Changes()),)), KEYS, 100)

    assert args == [b'{"stages":[{"c":{}}],"reads":[],"inc":"1"}', b"run", b"100"]


def test_indexes_are_positions_among_the_keys() -> None:
    """Each index is named once, however often it is used."""
    stages = (Stage({}, Changes(index={"a": True})), Stage({}, Changes(index={"a": False, "b": True})))

    keys, args = encode(Commit("run", "1", stages), KEYS, 100)

    first, second = (stage["c"] for stage in json.loads(args[0])["stages"])
    assert list(keys[6:]) == [KEYS.index(KEYS.shard_of("run"), name) for name in ("a", "b")]
    assert (first["into"], first["out"]) == ([7], [])
    assert (second["into"], second["out"]) == ([8], [7])


def test_starts_and_deletions_name_the_tombstone() -> None:
    """Others have no use for it; where an index follows, it has the next position."""
    indexed, forgotten = Changes(index={"a": True}), Changes(forget=7)
    commits = [
        Commit("run", None, (Stage({}, indexed),)),
        Commit("run", "1", (Stage({}, indexed, then=(Then({}, forgotten),)),)),
        Commit("run", "1", (Stage({}, indexed),)),
    ]

    calls = [encode(commit, KEYS, 100) for commit in commits]

    assert [KEYS.tombstone("run") in keys for keys, _ in calls] == [True, True, False]
    assert [json.loads(args[0]).get("tomb") for _, args in calls] == [7, 7, None]
    assert [json.loads(args[0])["stages"][0]["c"]["into"] for _, args in calls] == [[8], [8], [7]]


def test_events_are_positions_among_the_arguments() -> None:
    """Their texts are not encoded twice, and have nothing but ASCII."""
    stages = (Stage({}, Changes(events=({"type": "ü\ud800"}, {"type": "b"}))),)

    _, args = encode(Commit("run", "1", stages), KEYS, 100)

    assert json.loads(args[0])["stages"][0]["c"]["log"] == [4, 5]
    assert list(args[3:]) == [b'{"type":"\\u00fc\\ud800"}', b'{"type":"b"}']


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists),
        max_size=4,
    )
)
def test_an_event_is_written_as_the_standard_library_writes_it(event: dict[str, Any]) -> None:
    """In ASCII, whichever writer wrote it; and it is read again as it was."""
    written = event_text(event)

    assert written.isascii()
    assert json.dumps(json.loads(written)) == json.dumps(json.loads(json.dumps(event)))


def test_entries_carry_both_moments_or_none() -> None:
    """Removed is null, never is two nulls."""
    entries = {"gone": None, "never": NEVER, "both": Due(5, 7)}

    _, args = encode(Commit("run", "1", (Stage({}, Changes(entries=entries)),)), KEYS, 100)

    ledger = json.loads(args[0])["stages"][0]["c"]["ledger"]
    assert ledger == {"gone": None, "never": [None, None], "both": [5, 7]}


def test_each_letter_is_an_answer() -> None:
    """One for each stage that was tried."""
    commit = Commit("run", "1", (), reads=("a", "b"))

    reply = decode(commit, ["ya", 17, ["1", None]])

    assert reply.answers == (Answer.ALREADY, Answer.APPLIED)
    assert (reply.now_ms, reply.values) == (17, {"a": "1", "b": None})
    assert [decode(commit, [letter, 0, ["", ""]]).first for letter in "rg"] == [Answer.REFUSED, Answer.GONE]
