"""The parts of a run's page."""

from __future__ import annotations

from orchestrator.client.redaction import MASK
from orchestrator.client.shown import StepDescription
from orchestrator.dashboard.drawing.progress import Progress, progress_of
from orchestrator.dashboard.pages.run_actions import actions_of
from orchestrator.dashboard.pages.run_filters import Filters
from orchestrator.dashboard.pages.run_parts import error_box, history_table
from orchestrator.store.port import HistoryEntry
from tests.unit.dashboard.runs import described


def step(address: str, state: str, **more: object) -> StepDescription:
    """A step as it is described."""
    nothing = dict.fromkeys(("operation", "started_at", "ended_at", "duration_ms", "waits_until", "output", "error"))
    given = {"kind": "operation", "attempt": 1, "undoes": None, **nothing, **more}
    return StepDescription(address=address, state=state, **given)  # type: ignore[arg-type]


def test_an_error_has_its_code_its_place_and_its_traceback() -> None:
    """Whatever else belongs to it is folded away; nothing of it is markup."""
    shown = error_box(
        {
            "code": "ValueError",
            "message": "<b>",
            "address": "ship[3]/pack",
            "details": {"traceback": "File <module>", "limit": 5},
        }
    )

    assert '<code>ValueError</code> at <b class="mono">ship[3]/pack</b>: &lt;b&gt;' in shown
    assert "File &lt;module&gt;</pre>" in shown
    assert "limit:" in shown
    assert shown.count("File &lt;module&gt;") == 1


def test_items_of_a_map_are_counted_by_their_state() -> None:
    """The worst of them is the box's; a live one goes before."""
    steps = [step(f"ship[{number}]/pack", "failed" if number == 1 else "completed") for number in range(4)]

    found = progress_of(described(*steps))

    assert (found["pack"].state, found["pack"].words) == ("failed", "1 failed, 3 completed")


def test_of_a_loop_the_latest_visit_is_shown() -> None:
    """With its number."""
    found = progress_of(described(step("poll", "completed"), step("poll#2", "waiting")))

    assert (found["poll"].state, found["poll"].words) == ("waiting", "visit 2")


def test_an_undo_belongs_to_its_step() -> None:
    """It is no step of its own in the graph."""
    found = progress_of(described(step("charge", "completed"), step("charge~", "failed", undoes="charge")))

    assert found == {"charge": Progress("completed", {"completed": 1}, undo="failed", address="charge")}


def test_filters_survive_their_address() -> None:
    """What is empty is not in it; another filter begins at the first page."""
    filters = Filters.read({"status": "failed", "where": "order=7", "cursor": "abc", "unknown": "x", "text": " a b "})

    assert filters.address == "/dashboard/runs?text=a+b&status=failed&where=order%3D7&cursor=abc"
    assert filters.having(status="").address == "/dashboard/runs?text=a+b&where=order%3D7"
    query = filters.query(("payment.*",))
    assert (query.status, dict(query.where), query.text, query.workflows) == (
        "failed",
        {"order": "7"},
        "a b",
        ("payment.*",),
    )


def test_what_is_offered_follows_the_runs_state() -> None:
    """Nothing that would be refused by it; an archived run has the same, switched off."""
    offered = {
        (status, compensation): actions_of(described(status=status, compensation=compensation))
        for status in ("running", "paused", "failed", "completed")
        for compensation in ("none", "pending")
    }

    assert offered["running", "none"] == ("pause", "cancel", "signal")
    assert offered["paused", "none"] == ("resume", "cancel", "signal")
    assert offered["failed", "none"] == ("retry",)
    assert offered["failed", "pending"] == ("undo",)
    assert offered["completed", "none"] == ()
    assert actions_of(described(status="failed", archived=True)) == ("retry",)


def test_a_history_is_told_in_words_the_newest_first() -> None:
    """As the command line tells it; items are soon only counted, and what else an event holds is folded away."""
    items = [{"type": "step_completed", "step": f"ship[{number}]/pack"} for number in range(20)]
    events = [*items, {"type": "run_failed", "compensation": "completed"}]

    shown = history_table([HistoryEntry(f"{at}-0", at, event) for at, event in enumerate(events)], more=False)

    assert shown.index("run failed; what was done is undone") < shown.index("ship[*]/pack completed")
    assert "20 times by now" in shown
    assert "ship[12]/pack" not in shown
    assert "compensation completed" in shown


def test_what_an_event_holds_besides_is_short_or_folded_away() -> None:
    """A duration has its unit; what is masked is marked as such, in either case."""
    event = {"type": "step_completed", "step": "pay", "took_ms": 98, "output": {"card": MASK}, "note": MASK}

    shown = history_table([HistoryEntry("0-0", 0, event)], more=False)

    assert "took 98 ms" in shown
    assert "<summary>output, note</summary>" in shown
    assert shown.count('class="redacted"') == 2
