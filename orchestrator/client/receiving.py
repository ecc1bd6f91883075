"""Handing external events to the runs that wait for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.operating import Operating
from orchestrator.client.versions import Versions
from orchestrator.engine.arrivals import Event
from orchestrator.engine.awaiting import all_correlated, names_of_event
from orchestrator.engine.indexes import event_index
from orchestrator.errors import ExpressionError, UnknownRun
from orchestrator.settings import Settings
from orchestrator.spec.expressions import expression
from orchestrator.spec.flows import flows_of
from orchestrator.spec.workflow import WorkflowSpec
from orchestrator.store.port import Store

PAGE = 500
MISSES_TOLD = 20
"""So many of the newest runs that wait for another correlation are told of an event that nobody took."""


def names_by(event: Event, correlations: Iterable[str]) -> tuple[str, ...]:
    """The names under which runs may wait for an event, by the expressions that its type is correlated by."""
    return names_of_event(event, [found for text in correlations for found in _values(text, event)])


def correlations_of(spec: WorkflowSpec) -> dict[str, list[str]]:
    """Event type -> the expressions by which steps of a spec correlate events of it."""
    found: dict[str, list[str]] = {}
    for event in (step.event for flow in flows_of(spec) for step in flow.steps):
        if event is not None and event.type is not None and event.correlation is not None:
            found.setdefault(event.type, []).append(event.correlation.event)
    return found


def _values(text: str, event: Event) -> Iterator[Any]:
    try:
        found = expression(text).evaluate({"event": event})
    except ExpressionError:
        return
    if isinstance(found, str | int | float):
        yield found


@dataclass(frozen=True, slots=True)
class Receiving:
    """Finds the runs that wait for an event, and hands it to them."""

    settings: Settings
    store: Store
    versions: Versions
    dispatcher: Dispatcher

    def awaited(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names under which runs wait now: looking once for many events is cheaper than for each."""
        asked = {name: event_index(name) for name in names}
        sizes = self.store.index_sizes(list(asked.values()))
        return frozenset(name for name, index in asked.items() if sizes[index])

    def deliver(self, event: Event, names: Iterable[str]) -> int:
        """Hand an event to every step that waits for it under one of the names; how many took it.

        The event must have been noted in the logs of these names before: a step that begins to wait looks there. To
        deliver it again changes nothing: each step takes it once.
        """
        runs = dict.fromkeys(run_id for name in names for run_id in self._waiting(name))
        taken = sum(self._hand_to(run_id, event) for run_id in runs)
        if not taken:
            others = self.store.newest(event_index(all_correlated(event["type"])), None, MISSES_TOLD)
            taken = sum(self._hand_to(run_id, event) for _, run_id in others if run_id not in runs)
        return taken

    def _waiting(self, name: str) -> Iterator[str]:
        before: tuple[int, str] | None = None
        while page := self.store.newest(event_index(name), before, PAGE):
            yield from (run_id for _, run_id in page)
            before = page[-1]

    def _hand_to(self, run_id: str, event: Event) -> int:
        try:
            return Operating(run_id, self.settings, self.store, self.versions, self.dispatcher).receive(event)
        except UnknownRun:
            return 0
