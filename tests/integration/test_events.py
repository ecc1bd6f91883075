"""External events: listeners that are killed, events that come twice, events that are none."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import redis
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent as SdkEvent

from orchestrator import WorkflowSpec
from orchestrator.local import ManagedProcess
from orchestrator.spec.cloudevents import parse_structured
from orchestrator.store.events import GROUP
from orchestrator.store.keys import Keys
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, until
from tests.integration.workflows import upper_step, workflow

pytestmark = pytest.mark.integration

CLAIM_MS = 600
EVENTS, DISTINCT, KILLS = 10_000, 7_000, 4
PAGE = 1_000


def triggered(key: str = "events", **fields: object) -> WorkflowSpec:
    """A workflow that each order starts."""
    trigger = {"event": {"name": "placed", "type": "order.created", **fields}}
    return workflow(key, upper_step("shout"), triggers=[trigger])


@dataclass(frozen=True, slots=True)
class Intake:
    """What Redis says of the stream of events, and of the group of its listeners."""

    client: redis.Redis
    stream: str

    @classmethod
    def of(cls, system: System) -> Intake:
        """A system's."""
        settings = system.client.settings
        client = redis.Redis.from_url(settings.redis_url, decode_responses=True, protocol=2)
        return cls(client, Keys(settings.namespace, settings.shards).events())

    def owed(self) -> dict[str, int]:
        """How many entries each listener has not acknowledged, of those that have any."""
        found: Any = self.client.xpending(self.stream, GROUP) if self._groups() else {"consumers": []}
        return {one["name"]: one["pending"] for one in found["consumers"]}

    def unread(self) -> int:
        """How many entries no listener has got yet."""
        after = "(" + self._groups()[0]["last-delivered-id"] if self._groups() else "-"
        return len(self.client.xrange(self.stream, after) or [])

    def is_done(self) -> bool:
        """Whether every entry has been read and acknowledged."""
        return not self.unread() and not self.owed()

    def _groups(self) -> Any:
        return self.client.xinfo_groups(self.stream)


def inputs(system: System, key: str = "tests.events") -> list[str]:
    """The input of every run of a workflow."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = system.client.search(workflow=key, limit=PAGE, cursor=cursor)
        fields = system.client.store.read_many([run.run_id for run in page.runs], ("input",))
        found += [values["input"] or "" for values in fields]
        if page.cursor is None:
            return found
        cursor = page.cursor


def kill_in_mid_batch(intake: Intake, listener: ManagedProcess) -> bool:
    """Kill a listener that has begun with events and not acknowledged them; False if it was not caught at that."""
    listener.freeze()
    caught = any(f"-{listener.pid}-" in name for name in intake.owed())
    if caught:
        listener.kill()
        listener.start()
    else:
        listener.thaw()
    return caught


def kill_at_work(system: System, events: list[dict[str, Any]], listener: ManagedProcess) -> bool:
    """The same, where there may be nothing left to do: then the same events come once more, and start nothing."""
    intake = Intake.of(system)
    if intake.is_done():
        system.client.events.emit_many(events)
    return kill_in_mid_batch(intake, listener)


def has_come_to(intake: Intake, left: int) -> bool:
    """Whether no more than so many entries are left to be read."""
    return intake.unread() <= left


def test_listeners_that_are_killed_in_mid_batch_start_each_run_once(make_system: MakeSystem) -> None:
    """10,000 events, 3,000 of them doubled, two listeners, four kills at random: 7,000 runs, one for each event."""
    system = make_system(events_claim_ms=CLAIM_MS)
    system.publish(triggered())
    intake, seed = Intake.of(system), random.randrange(2**32)
    chance = random.Random(seed)
    numbers = [*range(DISTINCT), *chance.sample(range(DISTINCT), EVENTS - DISTINCT)]
    chance.shuffle(numbers)
    events = [{"type": "order.created", "source": "/shop", "id": str(n), "data": {"n": n}} for n in numbers]
    for name in ("listener-1", "listener-2"):
        system.start_listener(name)
    system.ready()

    for kill in range(KILLS):
        system.client.events.emit_many(events[kill::KILLS])  # so many at a time, that none finds nothing in hand
        left = intake.unread() - chance.randrange(500)
        until(partial(has_come_to, intake, left), f"some events have been taken in, seed {seed}")
        victim = system.fleet[chance.choice(["listener-1", "listener-2"])]
        again = events[kill::KILLS]
        until(partial(kill_at_work, system, again, victim), f"a listener is caught with events in hand, seed {seed}")
    until(intake.is_done, f"all events have been handled, seed {seed}", timeout_s=200)

    found = inputs(system)
    assert len(found) == DISTINCT, seed
    assert {json.loads(text)["n"] for text in found} == set(range(DISTINCT)), seed
    assert system.client.events.dead() == []


def test_the_events_of_a_dead_listener_are_taken_over(make_system: MakeSystem) -> None:
    """By one that was there all the time, once the dead one has been silent for long enough."""
    system = make_system(events_claim_ms=CLAIM_MS)
    system.publish(triggered())
    system.client.events.emit(type="order.created", data={})
    system.client.event_store.read("dead", 10, 0)

    system.start_listener()
    system.ready()

    until(Intake.of(system).is_done, "the event has been handled")
    assert len(inputs(system)) == 1


def test_poison_is_given_up_and_replayed(make_system: MakeSystem) -> None:
    """It holds nothing up; mended by a new version of the workflow, its event starts the run that it was to start."""
    system = make_system()
    strict = workflow(
        "strict",
        upper_step("shout"),
        input={"type": "object", "required": ["total"]},
        triggers=[{"event": {"name": "placed", "type": "order.created"}}],
    )
    system.publish(triggered(), strict)
    system.start_listener()
    system.ready()
    system.client.event_store.append(["no event at all"])
    system.client.events.emit(type="order.created", id="1", data={"sum": 3})
    system.client.events.emit(type="order.created", id="2", data={"total": 3})

    until(lambda: len(inputs(system)) == 2 and len(system.client.events.dead()) == 2, "all have been handled")
    nonsense, unfit = system.client.events.dead()
    assert ("not JSON" in nonsense.reason, unfit.trigger) == (True, "tests.strict/placed")
    mended = strict.model_copy(update={"meta": strict.meta.model_copy(update={"version": "1.1.0"}), "input": None})
    system.publish(mended)
    assert system.client.events.replay(unfit.id) == 1

    until(lambda: len(inputs(system, "tests.strict")) == 2, "the replayed event has started its run")
    assert [one.id for one in system.client.events.dead()] == [nonsense.id]
    assert len(inputs(system)) == 2


def test_an_event_of_the_official_sdk_starts_a_run_and_ends_another_s_wait(make_system: MakeSystem) -> None:
    """The order starts the run, which waits for its payment; the payment comes before the run waits, and twice."""
    system = make_system()
    paid = {"type": "order.paid", "correlation": {"event": "event.data.order", "value": "input.order"}}
    spec = workflow(
        "order",
        upper_step("shout"),
        {"id": "paid", "event": paid},  # type: ignore[arg-type]  # a step may be a plain dict
        triggers=[{"event": {"name": "placed", "type": "order.created", "inputs": {"order": "${event.subject}"}}}],
    )
    system.publish(spec)
    system.start_listener()
    system.ready()

    def emit(event_id: str, type_: str, data: dict[str, str]) -> None:
        attributes = {"id": event_id, "source": "/shop", "type": type_, "specversion": "1.0", "subject": "A-1"}
        sent = SdkEvent(attributes=attributes, data=data)
        system.client.events.emit(parse_structured(to_structured_event(sent).body))

    emit("1", "order.created", {})
    until(lambda: inputs(system, "tests.order"), "the run has been started")
    emit("2", "order.paid", {"order": "A-1"})
    emit("2", "order.paid", {"order": "A-1"})
    emit("3", "order.paid", {"order": "B-1"})
    system.start_worker()
    system.start_beat()
    system.ready()

    (run,) = system.client.runs(workflow="tests.order")
    assert ended(run).status == "completed"
    assert run.result()["id"] == "2"
    assert run.describe().started_by == "event:order.created"


def test_a_listener_ends_in_good_order(make_system: MakeSystem) -> None:
    """SIGTERM: what it has in hand is finished, and it exits with 0."""
    system = make_system()
    system.publish(triggered())
    listener = system.start_listener()
    system.ready()
    system.client.events.emit_many([{"type": "order.created"} for _ in range(300)])
    until(lambda: inputs(system), "the first events have been handled")

    code = listener.terminate()

    assert code == 0
    assert len(inputs(system)) == 300 - Intake.of(system).unread()
    assert "Traceback" not in listener.tail(200)
