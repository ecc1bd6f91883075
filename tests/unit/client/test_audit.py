"""What the client writes down of those who change something."""

from __future__ import annotations

import pytest

from orchestrator.client.audit import Actor, Audit
from orchestrator.client.run_surface import Start
from orchestrator.errors import InvalidEvent, InvalidInput, RunConflict, RunGoesOn, UnknownWorkflow, Unreachable
from orchestrator.store.access import AuditEntry, MemoryAccess
from tests.unit.surroundings import WORKFLOW, Surroundings


class Away(MemoryAccess):
    """An audit log that cannot be reached."""

    def write(self, entry: AuditEntry) -> str:
        """Refuse it."""
        raise Unreachable("gone")


def audited(access: MemoryAccess | None = None) -> tuple[Surroundings, MemoryAccess]:
    """A client of Ada's, with a workflow."""
    around = Surroundings()
    around.publish()
    access = access or MemoryAccess(around.clock)
    around.client.audit = Audit(access, Actor("ada", "k1", "192.0.2.7", "curl"))
    return around, access


def test_each_verb_is_an_entry() -> None:
    """Who, what, which, from where, why, and what came of it."""
    around, access = audited()
    run = around.start()

    run.pause("bank holiday")
    with pytest.raises(RunGoesOn):
        run.undo(by="bob")

    undo, pause, _start = access.read(None, 10)
    assert (pause.action, pause.target, pause.reason, pause.outcome) == (
        "pause",
        f"runs/{run.run_id}",
        "bank holiday",
        "done",
    )
    assert (pause.user, pause.key, pause.source, pause.agent) == ("ada", "k1", "192.0.2.7", "curl")
    assert (undo.user, undo.outcome) == ("bob", "run_goes_on")


def test_what_is_done_to_versions_is_an_entry_too() -> None:
    """With the version as the target."""
    around, access = audited()

    around.client.deprecate(WORKFLOW, "1.0.0", reason="old")
    around.client.traffic(WORKFLOW, {"1.0.0": 1})
    around.client.clear_traffic(WORKFLOW)
    with pytest.raises(UnknownWorkflow):
        around.client.deprecate(WORKFLOW, "9.9.9")

    told = [(entry.action, entry.target, entry.outcome) for entry in access.read(None, 10)]
    assert told == [
        ("deprecate", f"workflows/{WORKFLOW}/versions/9.9.9", "unknown_workflow"),
        ("clear_traffic", f"workflows/{WORKFLOW}", "done"),
        ("set_traffic", f"workflows/{WORKFLOW}", "done"),
        ("deprecate", f"workflows/{WORKFLOW}/versions/1.0.0", "done"),
    ]


def test_a_client_acts_for_somebody_else_and_stays_what_it_is() -> None:
    """Runs belong to whom it acts for."""
    around, access = audited()

    theirs = around.client.acting_for(Actor("eve")).start(WORKFLOW)
    own = around.client.start(WORKFLOW)
    around.client.acting_for(Actor("eve")).get(own.run_id).cancel()

    assert (theirs.describe().started_by, own.describe().started_by) == ("eve", "ada")
    assert [entry.user for entry in access.read(None, 10)] == ["eve", "ada", "eve"]


def test_what_was_done_stays_done_if_it_cannot_be_written_down() -> None:
    """The log of the process has it then."""
    around, _ = audited(Away(lambda: 0))
    run = around.start()

    run.pause()

    assert run.describe().status == "paused"


def test_a_start_is_an_entry_of_the_run_that_it_made_or_found() -> None:
    """One for each run; a second start that means the same one is done, too, and one that does not is a conflict."""
    around, access = audited()

    around.client.start_many([Start(WORKFLOW, run_id="one"), Start(WORKFLOW, run_id="two")])
    around.start(run_id="one")
    with pytest.raises(RunConflict):
        around.start(run_id="one", input={"n": 1})

    told = [(entry.action, entry.target, entry.outcome, entry.reason) for entry in access.read(None, 10)]
    assert told == [
        ("start", "runs/one", "run_conflict", WORKFLOW),
        ("start", "runs/one", "done", WORKFLOW),
        ("start", "runs/two", "done", WORKFLOW),
        ("start", "runs/one", "done", WORKFLOW),
    ]


def test_a_start_that_is_refused_is_an_entry_though_there_is_no_run() -> None:
    """Of the workflow that it was to be of, or of how many there were to be."""
    around, access = audited()
    around.publish(version="2.0.0", input={"type": "object", "required": ["n"]})

    for starts in ([Start("no.such")], [Start(WORKFLOW), Start(WORKFLOW)]):
        with pytest.raises((UnknownWorkflow, InvalidInput)):
            around.client.start_many(starts)

    told = [(entry.target, entry.outcome) for entry in access.read(None, 10)]
    assert told == [("runs (2)", "invalid_input"), ("workflows/no.such/runs", "unknown_workflow")]


def test_what_the_engine_starts_is_none() -> None:
    """A schedule's history says what its slots became; that somebody triggered it is one, and the only one."""
    around, access = audited()
    around.publish(version="2.0.0", triggers=[{"schedule": {"name": "s", "every": "1s"}}])
    around.client.schedules.reconcile(WORKFLOW)

    around.client.schedules.trigger(WORKFLOW, "s", "now")

    assert [(entry.action, entry.reason) for entry in access.read(None, 10)] == [("trigger_schedule", "now")]


def test_events_are_one_entry_for_all_that_come_together() -> None:
    """Also those that are refused."""
    around, access = audited()

    around.client.events.emit(type="paid")
    around.client.events.emit_many([{"type": "paid"}, {"type": "sent"}])
    with pytest.raises(InvalidEvent):
        around.client.events.emit()

    told = [(entry.action, entry.target, entry.outcome, entry.reason) for entry in access.read(None, 10)]
    assert told == [
        ("emit", "events", "invalid_event", ""),
        ("emit", "events", "done", "2 taken in"),
        ("emit", "events/paid", "done", "1 taken in"),
    ]
