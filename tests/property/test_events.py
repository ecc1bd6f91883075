"""Listeners that die between any two effects, and producers that send twice: one run for each event and workflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Unreachable
from orchestrator.triggers.listener import TRIES, Listener
from tests.unit.surroundings import Surroundings

pytestmark = pytest.mark.property

WORKFLOWS = ("test.one", "test.two")
LATER_MS = 60_000


class Died(BaseException):
    """The process is no more: nobody catches this."""


class Effects:
    """Whatever is called through it has its effect, or has not, or has had it though the caller never learns of it."""

    def __init__(self, inner: Any, fate: Callable[[], str]) -> None:
        self._inner = inner
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            fate = self._fate()
            if fate == "dies before":
                raise Died
            if fate == "is cut off":
                raise Unreachable("gone")
            answer = found(*given, **named)
            if fate == "dies after":
                raise Died
            if fate == "sends twice":
                return found(*given, **named) if name not in {"read", "claim", "append"} else answer
            return answer

        return call


def events_of(ids: list[int]) -> list[str]:
    """Events with these ids, of one source."""
    least = {"specversion": "1.0", "source": "/shop", "type": "order.created"}
    return [json.dumps({**least, "id": str(number), "data": {"n": number}}) for number in ids]


def listener(around: Surroundings, fate: Callable[[], str]) -> Listener:
    """One that shares the system with the others, and all of whose effects are subject to fate."""
    parts: Any = (Effects(part, fate) for part in (around.store, around.registry, around.dispatcher, around.events))
    return Listener(RedisOrchestrator(around.settings, *parts))


def started(around: Surroundings, workflow: str) -> list[int]:
    """The events that runs of a workflow were started with."""
    return sorted(run.describe().input["n"] for run in around.client.runs(workflow=workflow, limit=1_000))


def fates(data: st.DataObject) -> Callable[[], str]:
    """Mostly nothing happens."""
    unlucky = st.sampled_from(["dies before", "dies after", "is cut off", "sends twice"])
    drawn = st.integers(0, 9).flatmap(lambda luck: unlucky if luck == 9 else st.just("goes well"))
    return lambda: data.draw(drawn)


@settings(deadline=None)
@given(batches=st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=5), data=st.data())
def test_every_event_starts_one_run_of_each_workflow(batches: list[list[int]], data: st.DataObject) -> None:
    """Whatever dies and however often an event is sent, within the window; and nothing is left unacknowledged."""
    around = Surroundings()
    for workflow in WORKFLOWS:
        around.publish(key=workflow, triggers=[{"event": {"name": "placed", "type": "order.created"}}])
    fate = fates(data)
    team: list[Listener] = [listener(around, fate), listener(around, fate)]

    for turn in turns(batches, data):
        around.events.append(events_of(turn))
        which = data.draw(st.integers(0, 1))
        try:
            team[which].turn()
        except (Died, Unreachable):
            team[which] = listener(around, fate)
            around.clock.move(data.draw(st.sampled_from([0, around.settings.events_claim_ms])))
    survivors_finish(around)

    sent = sorted({number for batch in batches for number in batch})
    assert [started(around, workflow) for workflow in WORKFLOWS] == [sent, sent]
    assert around.events.claim("look", 0, 10) == []


def turns(batches: list[list[int]], data: st.DataObject) -> Iterator[list[int]]:
    """What is sent before each turn: a batch, or nothing."""
    for batch in batches:
        yield batch
        for _ in range(data.draw(st.integers(0, 2))):
            yield []


def survivors_finish(around: Surroundings) -> None:
    """One that nothing happens to takes over what the dead have left, and replays what was given up on the way."""
    for _ in range(TRIES + 1):
        around.clock.move(LATER_MS)
        Listener(around.client).turn()
    around.client.events.replay()
    around.clock.move(LATER_MS)
    Listener(around.client).turn()


WAIT = {
    "id": "paid",
    "event": {"type": "order.paid", "correlation": {"event": "event.data.n", "value": "input.n"}},
}


def interrupting(at: int, action: Callable[[], object]) -> tuple[Callable[[], str], list[int]]:
    """A fate that does something between two effects, once; and how many effects there were."""
    effects = [0]

    def fate() -> str:
        effects[0] += 1
        if effects[0] == at:
            action()
        return "goes well"

    return fate, effects


@pytest.mark.parametrize("interrupted", ["the listener", "the worker"])
def test_whoever_is_first_a_step_gets_its_event(interrupted: str) -> None:
    """It begins to wait between any two effects of the listener; or the event comes between any two of its own."""
    for at in count(1):
        around = Surroundings()
        around.publish(WAIT)
        run = around.start(input={"n": 7})
        around.events.append([json.dumps({**json.loads(events_of([7])[0]), "type": "order.paid"})])

        if interrupted == "the listener":
            fate, effects = interrupting(at, partial(around.work, run, "paid"))
            listener(around, fate).turn()
        else:
            fate, effects = interrupting(at, Listener(around.client).turn)
            parts: Any = around
            parts.store, parts.events = Effects(around.store, fate), Effects(around.events, fate)
            around.work(run, "paid")

        if effects[0] < at:  # it was over before
            break
        assert run.result(0)["id"] == "7", at
    assert at > 3
