from __future__ import annotations

from orchestrator.engine.commit import Answer, Then
from tests.contract.arena import LATER, NOW, Arena, commit, stage, start


def test_a_start_creates_the_run(arena: Arena) -> None:
    """A commit without an incarnation creates the run, with its ledger and its history."""
    reply = arena.start(entries={"$": LATER}, events=({"type": "run_started"},))

    assert reply.answers == (Answer.APPLIED,)
    assert arena.fields()["incarnation"] == "1"
    assert set(arena.store.entries("run")) == {"$"}
    assert [entry.event for entry in arena.store.history("run")] == [{"type": "run_started"}]


def test_a_second_start_is_gone_and_changes_nothing(arena: Arena) -> None:
    """A run is created once."""
    arena.start(set={"input": "first"})

    reply = arena.start(set={"input": "second"}, entries={"$": NOW}, events=({"type": "run_started"},))

    assert reply.answers == (Answer.GONE,)
    assert arena.fields()["input"] == "first"
    assert arena.store.entries("run") == {}
    assert arena.store.history("run") == []


def test_a_commit_to_no_run_is_gone_and_leaves_no_key(arena: Arena) -> None:
    """A late write does not bring a deleted run back (RULES 20)."""
    reply = arena.change(set={"a": "1"}, entries={"a": NOW}, index={"all": True}, events=({"type": "late"},))

    assert reply.answers == (Answer.GONE,)
    assert arena.fields() == {}
    assert arena.store.shard_entry("run") is None
    assert arena.store.index_sizes(["all"]) == {"all": 0}


def test_a_commit_of_another_incarnation_is_gone(arena: Arena) -> None:
    """What an earlier incarnation decided does not touch the present one."""
    arena.start()

    reply = arena.store.apply(commit(stage(set={"a": "1"}), incarnation="2", reads=("incarnation",)))

    assert reply.answers == (Answer.GONE,)
    assert reply.values == {"incarnation": "1"}
    assert "a" not in arena.fields()


def test_a_start_may_go_on_with_a_second_stage(arena: Arena) -> None:
    """The incarnation is judged once, before the first stage."""
    first = start().stages[0]

    reply = arena.store.apply(commit(first, stage({"paused": "0"}, set={"a": "1"}), incarnation=None))

    assert reply.answers == (Answer.APPLIED, Answer.APPLIED)


def test_a_stage_is_refused_whole(arena: Arena) -> None:
    """One guard that does not hold keeps every change out."""
    arena.start(set={"a": "1", "b": "1"})

    reply = arena.store.apply(
        commit(stage({"a": "1", "b": "2"}, set={"a": "2"}, entries={"a": NOW}, events=({"type": "x"},)))
    )

    assert reply.answers == (Answer.REFUSED,)
    assert arena.fields()["a"] == "1"
    assert arena.store.entries("run") == {}
    assert arena.store.history("run") == []


def test_a_guard_of_none_wants_the_field_absent(arena: Arena) -> None:
    """Absences are guarded like values; empty text is a value."""
    arena.start(set={"empty": ""})

    replies = [arena.store.apply(commit(stage({field: None}))) for field in ("never", "empty")]
    empty = arena.store.apply(commit(stage({"empty": "", "never": None})))

    assert [reply.first for reply in replies] == [Answer.APPLIED, Answer.REFUSED]
    assert empty.first is Answer.APPLIED


def test_the_second_stage_sees_what_the_first_did(arena: Arena) -> None:
    """A claim is judged on the state after the settle, its ledger included."""
    arena.start(entries={"a": LATER})

    reply = arena.store.apply(
        commit(
            stage({"b": None}, set={"b": "ready"}, number=("a:seq",), entries={"a": NOW}),
            stage({"b": "ready", "a:seq": "1"}, due=("a",), set={"b": "running"}),
        )
    )

    assert reply.answers == (Answer.APPLIED, Answer.APPLIED)
    assert arena.fields()["b"] == "running"


def test_a_refused_second_stage_undoes_nothing(arena: Arena) -> None:
    """A pause refuses the claim, not the settle before it (RULES 4)."""
    arena.start(paused="1", set={"a": "running"})

    reply = arena.store.apply(
        commit(stage({"a": "running"}, set={"a": "completed"}), stage({"paused": "0"}, set={"b": "running"}))
    )

    assert reply.answers == (Answer.APPLIED, Answer.REFUSED)
    assert arena.fields()["a"] == "completed"
    assert "b" not in arena.fields()


def test_after_a_refused_first_stage_the_second_is_not_tried(arena: Arena) -> None:
    """Nothing follows from what did not happen."""
    arena.start()

    reply = arena.store.apply(commit(stage({"a": "1"}), stage(set={"b": "1"})))

    assert reply.answers == (Answer.REFUSED,)
    assert reply.second is Answer.REFUSED
    assert "b" not in arena.fields()


def test_a_commit_sent_twice_changes_nothing_the_second_time(arena: Arena) -> None:
    """A reply that was lost is asked for again: same token, same answer, one effect (RULES 5)."""
    arena.start(set={"a:token": "t1"}, add=(("live", "a"),), entries={"a": LATER})
    settle = stage(
        {"a:token": "t1"},
        already={"a:by": "t1"},
        set={"a:token": "", "a:by": "t1"},
        number=("a:seq",),
        remove=(("live", "a"),),
        entries={"a": None},
        events=({"type": "step_completed"},),
    )

    first = arena.store.apply(commit(settle))
    before = arena.fields()
    second = arena.store.apply(commit(settle))

    assert (first.first, second.first) == (Answer.APPLIED, Answer.ALREADY)
    assert arena.fields() == before
    assert len(arena.store.history("run")) == 1


def test_after_a_stage_that_was_applied_before_the_second_is_tried(arena: Arena) -> None:
    """A settle that is sent again still wants its claim."""
    arena.start(set={"by": "t1"})

    reply = arena.store.apply(commit(stage({"token": "t1"}, already={"by": "t1"}), stage(set={"b": "1"})))

    assert reply.answers == (Answer.ALREADY, Answer.APPLIED)


def test_already_is_asked_only_where_the_guards_do_not_hold(arena: Arena) -> None:
    """A stage that can be applied is applied, whatever its `already` fields say."""
    arena.start(set={"a": "1"})

    applied = arena.store.apply(commit(stage({"a": "1"}, already={"a": "1"}, set={"b": "1"})))
    refused = arena.store.apply(commit(stage({"a": "2"}, already={"a": "2"})))

    assert (applied.first, refused.first) == (Answer.APPLIED, Answer.REFUSED)


def test_a_stage_without_already_is_never_answered_so(arena: Arena) -> None:
    """No `already` means that nothing shows an earlier try; an empty one is always found."""
    arena.start()

    without = arena.store.apply(commit(stage({"a": "1"})))
    empty = arena.store.apply(commit(stage({"a": "1"}, already={})))

    assert (without.first, empty.first) == (Answer.REFUSED, Answer.ALREADY)


def test_then_blocks_are_judged_one_after_the_other(arena: Arena) -> None:
    """Each sees the stage's own changes and those of the blocks before it."""
    arena.start(add=(("live", "a"),))
    drained = Then({"n:live": "0"}, stage(set={"drain": "ready"}, add=(("live", "~"),)).changes)
    chained = Then({"drain": "ready", "n:live": "1"}, stage(set={"seen": "1"}, entries={"~": NOW}).changes)
    unmet = Then({"n:live": "0"}, stage(set={"wrong": "1"}).changes)

    arena.store.apply(commit(stage(remove=(("live", "a"),), then=(drained, chained, unmet))))

    fields = arena.fields()
    assert (fields["drain"], fields["seen"]) == ("ready", "1")
    assert "wrong" not in fields
    assert set(arena.store.entries("run")) == {"~"}


def test_then_blocks_are_judged_on_what_was_there_before(arena: Arena) -> None:
    """A field that only the block's guard names is that of the run."""
    arena.start(set={"stopping": "1"})

    arena.store.apply(commit(stage(then=(Then({"stopping": "1"}, stage(set={"drain": "ready"}).changes),))))

    assert arena.fields()["drain"] == "ready"


def test_then_blocks_of_a_refused_stage_do_nothing(arena: Arena) -> None:
    """They belong to the stage; one that was applied before set them off then."""
    arena.start(set={"by": "t1"})
    then = (Then({}, stage(set={"wrong": "1"}).changes),)

    arena.store.apply(commit(stage({"a": "1"}, then=then)))
    arena.store.apply(commit(stage({"a": "1"}, already={"by": "t1"}, then=then)))

    assert "wrong" not in arena.fields()


def test_reads_come_back_as_they_are_after_the_commit(arena: Arena) -> None:
    """The next step's inputs come with its claim, or with its refusal."""
    arena.start(set={"a": "1"})

    applied = arena.store.apply(commit(stage(set={"a": "2"}, add=(("live", "x"),)), reads=("a", "n:live", "none", "a")))
    refused = arena.store.apply(commit(stage({"a": "1"}), reads=("a",)))

    assert applied.values == {"a": "2", "n:live": "1", "none": None}
    assert refused.values == {"a": "2"}


def test_the_reply_tells_the_moment_of_the_commit(arena: Arena) -> None:
    """Stamps and the reply are of one moment."""
    before = arena.store.time_ms()

    reply = arena.start()

    assert before <= reply.now_ms <= arena.store.time_ms()
    assert arena.fields()["created_at"] == str(reply.now_ms)


def test_many_commits_are_answered_in_order(arena: Arena) -> None:
    """Each of them is atomic, and each sees those before it."""
    commits = [start(), commit(stage({"a": None}, set={"a": "1"})), commit(stage({"a": None}, set={"a": "2"}))]

    replies = arena.store.apply_many([*commits, start("other")])

    assert [reply.first for reply in replies] == [Answer.APPLIED, Answer.APPLIED, Answer.REFUSED, Answer.APPLIED]
    assert arena.fields()["a"] == "1"
    assert arena.store.apply_many([]) == []


def test_what_comes_before_is_seen_by_the_stage_and_told_before_it(arena: Arena) -> None:
    """It is made first, and once: what it writes is there when the stage's own changes are made."""
    arena.start(stamp={"limit": -1})
    judged = Then({"late": None}, stage(set={"late": "1", "x": "early"}, events=({"type": "late"},)).changes, "limit")
    on_time = Then({"late": None}, stage(set={"wrong": "1"}).changes)

    for _ in range(2):
        arena.store.apply(commit(stage(before=(judged, on_time), set={"x": "own"}, events=({"type": "over"},))))

    assert (arena.fields()["late"], arena.fields()["x"]) == ("1", "own")
    assert "wrong" not in arena.fields()
    assert [entry.event["type"] for entry in arena.store.history("run")] == ["late", "over", "over"]


def test_a_moment_decides_by_the_clock_of_the_commit(arena: Arena) -> None:
    """It has come, or it has not; one that is not there never comes."""
    arena.start(stamp={"now": 0, "later": 600_000})

    arena.store.apply(commit(stage(then=tuple(noting(one) for one in ("now", "later", "never")))))

    assert {name for name in arena.fields() if name.startswith("is ")} == {"is now"}


def test_time_stands_still_for_a_run_that_is_paused(arena: Arena) -> None:
    """A moment that had not come when the pause began does not come in it."""
    arena.start(paused="1", stamp={"paused_at": -10_000, "before": -10_000, "since": -9_999})

    arena.store.apply(commit(stage(then=(noting("before"), noting("since")))))
    paused = {name for name in arena.fields() if name.startswith("is ")}
    arena.store.apply(commit(stage(set={"paused": "0"}), stage(then=(noting("since"),))))

    assert paused == {"is before"}
    assert "is since" in arena.fields()


def noting(moment: str) -> Then:
    """Notes that a moment has come."""
    return Then({}, stage(set={f"is {moment}": "1"}).changes, moment)
