from __future__ import annotations

from orchestrator.engine import fields
from orchestrator.engine.commit import Answer, Changes, Commit, Reply, Stage
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.view import RunView


def view_of(**values: str | None) -> RunView:
    """A view of a run of which these fields were read."""
    return RunView("run", values, now_ms=1_000)


def commit_of(*sets: dict[str, str]) -> Commit:
    """A commit with a stage for each of these."""
    return Commit("run", "1", tuple(Stage({}, Changes(set=values, delete=("gone",))) for values in sets))


def test_what_was_not_read_is_missing() -> None:
    """A field that is known to be absent is not read again."""
    view = view_of(a="1", b=None)

    assert view.missing(("a", "b", "c")) == ("c",)
    assert (view["a"], view["b"], view["c"]) == ("1", None, None)


def test_an_unread_run_does_not_exist() -> None:
    """Its incarnation says that a run is there."""
    assert not view_of().exists
    assert view_of(incarnation="2").exists
    assert view_of(incarnation="2").incarnation == "2"


def test_absent_fields_have_their_first_meaning() -> None:
    """Nothing is written before it differs."""
    view = view_of()

    assert view.status is RunStatus.PENDING
    assert view.state("a") is StepState.PENDING
    assert (view.attempt("a"), view.unreported("a"), view.returned("a")) == (1, 0, False)
    assert (view.over, view.stopping, view.paused) == (False, False, False)
    assert view.moment("a:until") is None
    assert view.json("input") is None


def test_a_stage_that_stands_is_in_the_view() -> None:
    """Applied now or before; a refused one is not."""
    view = view_of(gone="1", state="old")

    view.absorb(commit_of({"a": "1"}, {"b": "2"}), Reply((Answer.ALREADY, Answer.REFUSED), 2_000, {"c": "3"}))

    assert (view["a"], view["b"], view["c"], view["gone"]) == ("1", None, "3", None)
    assert view.now_ms == 2_000


def test_what_came_back_is_newer_than_what_was_written() -> None:
    """The fields of the reply are as they are after the commit."""
    view = view_of()

    view.absorb(commit_of({"a": "1"}), Reply((Answer.APPLIED,), 2_000, {"a": "2"}))

    assert view["a"] == "2"


def test_json_follows_its_field() -> None:
    """A value that was parsed before is parsed again once its field has changed."""
    view = view_of(input='{"n": 1}')
    before = view.json("input")

    view.learn({"input": '{"n": 2}'}, 2_000)

    assert (before, view.json("input")) == ({"n": 1}, {"n": 2})


def test_a_step_has_returned_if_it_completed_or_failed_afterwards() -> None:
    """An output that was refused means that the effect is there."""
    view = view_of(**{"a:state": "completed", "b:state": "failed", "b:done": "1", "c:state": "failed"})

    assert [view.returned(step) for step in ("a", "b", "c")] == [True, True, False]


def test_steps_are_found_by_their_states() -> None:
    """Whichever fields were read beside them."""
    view = view_of(**{"a:state": "ready", "b~:state": "ready", "a:token": "t", fields.LIVE_COUNT: "2"})

    assert view.addresses() == ("a", "b~")
