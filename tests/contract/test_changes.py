from __future__ import annotations

import pytest

from tests.contract.arena import Arena, commit, stage

AWKWARD = ("", "0", "1e3", "null", '{"a": [1, "ü", "\\u0000"]}', 'q"\\\n\t', "\x00\x01", "päyment ✓ 💳", "x" * 300_000)


@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
def test_values_come_back_as_they_were_written(arena: Arena, text: str) -> None:
    """A store knows nothing of what its values mean."""
    arena.start(set={"a": text})

    assert arena.fields()["a"] == text
    assert arena.store.apply(commit(stage({"a": text}), reads=("a",))).values == {"a": text}


def test_fields_are_set_deleted_stamped_numbered_in_this_order(arena: Arena) -> None:
    """What comes later in the order has the last word."""
    arena.start()

    reply = arena.change(
        set={"kept": "1", "deleted": "1", "stamped": "1", "numbered": "1"},
        delete=("deleted", "stamped", "numbered", "never"),
        stamp={"stamped": 1_500},
        number=("numbered",),
    )

    fields = arena.fields()
    assert fields["kept"] == "1"
    assert "deleted" not in fields
    assert fields["stamped"] == str(reply.now_ms + 1_500)
    assert fields["numbered"] == "1"


def test_a_deleted_field_is_absent(arena: Arena) -> None:
    """One that an earlier commit wrote as well; what was never there may be deleted."""
    arena.start(set={"a": "1", "b": "1"})

    arena.change(delete=("a", "never"))

    assert set(arena.fields()) == {"incarnation", "paused", "created_at", "b"}


def test_numbers_of_a_run_grow_by_one(arena: Arena) -> None:
    """Completions have an order that no clock decides, across commits and runs apart."""
    arena.start(number=("a",))
    arena.start("other", number=("a",))

    arena.change(number=("b", "c"))

    fields = arena.fields()
    assert [fields[name] for name in "abc"] == ["1", "2", "3"]
    assert arena.fields("other")["a"] == "1"


def test_a_member_that_arrives_twice_counts_once(arena: Arena) -> None:
    """A message delivered twice does not fill a quorum."""
    arena.start()

    for member in ("a", "b", "a"):
        arena.change(add=(("gate", member), ("gate", member)))

    assert arena.fields()["n:gate"] == "2"
    assert {"m:gate:a", "m:gate:b"} <= set(arena.fields())


def test_a_member_that_leaves_twice_leaves_once(arena: Arena) -> None:
    """The count is that of the members, and stays at 0 when the last has left."""
    arena.start(add=(("live", "a"), ("live", "b")))

    arena.change(remove=(("live", "a"),))
    arena.change(remove=(("live", "a"), ("live", "never")))
    one_left = arena.fields()
    arena.change(remove=(("live", "b"),))

    assert one_left["n:live"] == "1"
    assert arena.fields()["n:live"] == "0"
    assert not [name for name in arena.fields() if name.startswith("m:live:")]


def test_a_set_that_nobody_joined_has_no_count(arena: Arena) -> None:
    """Leaving what one was never in writes nothing."""
    arena.start(remove=(("live", "a"),))

    assert "n:live" not in arena.fields()


def test_added_and_removed_in_one_commit_is_not_a_member(arena: Arena) -> None:
    """Arrivals come before departures."""
    arena.start(add=(("live", "a"),), remove=(("live", "a"),))

    assert arena.fields()["n:live"] == "0"


def test_an_attempted_write_of_thousands_of_fields_is_one_commit(arena: Arena) -> None:
    """The width of a run does not break its commits."""
    wide = {f"step-{n}:state": "ready" for n in range(9_000)}
    arena.start(set=wide)

    reply = arena.store.apply(commit(stage(wide, delete=tuple(wide), set={"over": "1"}), reads=tuple(wide)))

    assert reply.first.stands
    assert set(reply.values.values()) == {None}
    assert set(arena.fields()) == {"incarnation", "paused", "created_at", "over"}
    assert len(arena.store.read("run", tuple(wide))[1]) == 9_000
