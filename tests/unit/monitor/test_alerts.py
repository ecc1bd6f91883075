"""What raises an alert, whom it is for, what resolves it; and that nothing of a run's values is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orchestrator import OperationError
from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine import fields
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.monitor.alerts import ITSELF, Raising
from orchestrator.monitor.feed import Batch
from orchestrator.settings import Settings
from orchestrator.store.alerts import AlertRecord
from orchestrator.store.port import FeedEntry
from tests.unit.surroundings import Surroundings

BREACHED = {"type": "sla_breached", "level": "breach", "after_ms": 30_000, "due_at": 1}
WARNED = {"type": "sla_warned", "level": "warn", "after_ms": 24_000, "due_at": 1}


def escalated(level: int, to: str) -> dict[str, Any]:
    """A rung of the ladder."""
    return {"type": "sla_escalated", "level": str(level), "after_ms": 60_000 * level, "to": to, "due_at": 1}


class Watch:
    """Runs, and who raises alerts of them."""

    def __init__(self, alerts: Mapping[str, Any], behaviour: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.around = Surroundings(behaviour or {})
        settings = Settings(alerts=dict(alerts), shards=2)
        self.raising = Raising(settings, self.around.store, self.around.alerts)
        self._at = dict.fromkeys(range(2), "0-0")

    def run(self, **steps: Any) -> RedisRunHandle:
        """A run whose step `a` is yet to be worked off."""
        self.around.publish({"id": "a", "operation": "do.write", **steps})
        return self.around.start()

    def tell(self, run: RedisRunHandle, *events: Mapping[str, Any]) -> None:
        """These happen in a run."""
        for event in events:
            self.around.clock.move(10)
            self.around.store.apply(Commit(run.run_id, "1", (Stage({}, Changes(events=(event,))),), ()))

    def read(self) -> list[AlertRecord]:
        """Let the reader read on; all alerts, newest first."""
        for shard, after in self._at.items():
            entries = self.around.store.feed(shard, after)
            if entries:
                self.raising.see_to(Batch(shard, after, entries[-1].id, entries))
                self._at[shard] = entries[-1].id
        return self.around.alerts.page(None, None, 100)

    def again(self) -> list[AlertRecord]:
        """Let the reader begin anew, as one that has died before it moved on."""
        self._at = dict.fromkeys(range(2), "0-0")
        return self.read()


def failing(*_: Any) -> Any:
    """An operation that tells more than it should."""
    raise OperationError("card_declined", "card 4111-1111 of ada@example.com", retryable=False)


def test_the_levels_of_an_sla_are_three_alerts() -> None:
    """A rung goes to the channel that it names, and to no other; the others, where the settings say."""
    watch = Watch({"ops": "json://127.0.0.1", "boss": {"url": "json://127.0.0.1", "on": []}})
    run = watch.run()

    watch.tell(run, WARNED, BREACHED, escalated(1, "boss"))
    found = watch.read()

    assert {one.level: [*one.deliveries] for one in found} == {
        "warning": ["ops"],
        "error": ["ops"],
        "critical": ["boss"],
    }
    assert {(one.kind, one.workflow, one.version, one.run_id) for one in found} == {
        ("sla", "test.flow", "1.0.0", run.run_id)
    }


def test_each_rung_is_an_alert() -> None:
    """Two that call the same people are not one."""
    watch = Watch({"boss": "json://127.0.0.1"})

    watch.tell(watch.run(), escalated(1, "boss"), escalated(2, "boss"))

    assert len(watch.read()) == 2


def test_a_channel_that_nobody_has_is_said_so() -> None:
    """The alert is there for who looks."""
    watch = Watch({"ops": "json://127.0.0.1"})
    watch.tell(watch.run(), escalated(1, "nobody"))

    (found,) = watch.read()

    assert found.deliveries == {}
    assert found.text.endswith("no channel is named nobody")


def test_a_breach_without_an_alert_raises_none() -> None:
    """As the spec's `alert_on_breach: false` wants it."""
    watch = Watch({"ops": "json://127.0.0.1"})
    watch.tell(watch.run(), BREACHED | {"alert": False})

    assert watch.read() == []


def test_a_reader_that_begins_anew_raises_nothing_twice() -> None:
    """Neither are they counted twice, nor sent."""
    watch = Watch({"ops": "json://127.0.0.1"})
    watch.tell(watch.run(), WARNED, BREACHED)

    before = watch.read()

    assert watch.again() == before


def test_an_sla_of_a_run_that_has_ended_is_resolved() -> None:
    """By itself, whoever has acknowledged it; other alerts of the run stay."""
    watch = Watch({"ops": "json://127.0.0.1"})
    run = watch.run()
    watch.tell(run, BREACHED, {"type": "attention", "step": "a", "reason": "unknown_effect"})
    sla = next(one for one in watch.read() if one.kind == "sla")
    watch.around.alerts.change(sla.id, "acknowledged", "ada")

    watch.around.work(run, "a")

    assert run.status() == "completed"
    states = {one.kind: (one.state, one.resolved_by) for one in watch.read()}
    assert states == {"sla": ("resolved", ITSELF), "attention": ("open", "")}


def test_what_happens_after_the_end_is_not_resolved_by_it() -> None:
    """A life of the run that is retried has alerts of its own, also if one reading finds both."""
    watch = Watch({"ops": "json://127.0.0.1"})
    watch.tell(watch.run(), BREACHED, {"type": "run_cancelled"}, {"type": "run_retried"}, WARNED)

    states = {one.level: one.state for one in watch.read()}

    assert states == {"error": "resolved", "warning": "open"}


def test_a_failed_run_is_an_alert_where_one_is_wanted() -> None:
    """It tells the code, and no value: messages of errors may hold some. A retry resolves it."""
    watch = Watch(
        {"ops": {"url": "json://127.0.0.1", "on": ["failed"]}, "sla": "json://127.0.0.1"}, {"do.write": failing}
    )
    run = watch.run()
    for address in ("a", "~"):
        watch.around.work(run, address)

    (found,) = watch.read()
    watch.tell(run, {"type": "run_retried"})
    (after,) = watch.read()

    assert (found.kind, found.level, [*found.deliveries]) == ("failed", "error", ["ops"])
    assert found.text.startswith("The run failed at a with card_declined")
    assert "4111" not in repr(found)
    assert (found.state, after.state) == ("open", "resolved")


def test_a_failed_undo_is_critical_until_it_is_waived() -> None:
    """One alert an undo, at its address."""
    watch = Watch({"ops": "json://127.0.0.1"})
    run = watch.run()
    error = {"code": "gone", "message": "ada@example.com"}
    watch.tell(run, *({"type": "step_failed", "step": step, "error": error} for step in ("a~", "b~", "c")))
    found = watch.read()

    watch.tell(run, {"type": "undo_waived", "step": "a~", "by": "ada"})

    assert {(one.kind, one.level, one.step) for one in found} == {
        ("compensation_failed", "critical", "a~"),
        ("compensation_failed", "critical", "b~"),
    }
    assert "ada@" not in repr(found)
    assert {one.step: one.state for one in watch.read()} == {"a~": "resolved", "b~": "open"}


def test_a_channel_may_want_the_worst_only() -> None:
    """By level."""
    watch = Watch({"night": {"url": "json://127.0.0.1", "min_level": "critical"}})
    watch.tell(watch.run(), WARNED, BREACHED, {"type": "attention", "step": "a", "reason": "unknown_effect"})

    assert {one.kind: [*one.deliveries] for one in watch.read()} == {"sla": [], "attention": ["night"]}


def test_an_alert_of_a_run_that_is_gone_is_raised_nonetheless() -> None:
    """Nothing is known of it but its id."""
    watch = Watch({"ops": "json://127.0.0.1"})
    entry = FeedEntry("5-0", 5, "gone", BREACHED)

    watch.raising.see_to(Batch(0, "0-0", "5-0", [entry]))

    (found,) = watch.around.alerts.page(None, None, 10)
    assert (found.run_id, found.workflow, found.title) == ("gone", "", "gone: SLA breached")


@pytest.mark.parametrize("kind", ["run_started", "step_completed", "signal_received", "something_new"])
def test_most_of_what_happens_is_no_alert(kind: str) -> None:
    """And costs no look at the run."""
    watch = Watch({"ops": "json://127.0.0.1"})
    run = watch.run()
    reads: list[object] = []
    watch.around.store.read = lambda *given: reads.append(given)  # type: ignore[method-assign,assignment]

    watch.raising.see_to(Batch(0, "0-0", "5-0", [FeedEntry("5-0", 5, run.run_id, {"type": kind, "step": "a"})]))

    assert (reads, watch.around.alerts.page(None, None, 10)) == ([], [])


def test_the_texts_name_the_step() -> None:
    """And the times that the events tell."""
    watch = Watch({})
    watch.tell(watch.run(), BREACHED | {"step": "ship[3]/pack"})

    (found,) = watch.read()

    assert found.title == "test.flow: ship[3]/pack: SLA breached"
    assert found.text == "Step ship[3]/pack has taken longer than its SLA of 30s"
    assert fields.WORKFLOW not in found.text


def test_an_event_that_nobody_understands_holds_up_no_other() -> None:
    """It may be of a later release."""
    watch = Watch({"ops": "json://127.0.0.1"})
    watch.tell(watch.run(), {"type": "sla_breached", "level": "breach"}, WARNED)

    assert [one.level for one in watch.read()] == ["warning"]
