"""The event triggers that are in force: those of the version that new runs of each workflow take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from orchestrator.client.versions import Offer, Versions
from orchestrator.errors import UnknownWorkflow
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.expressions import Expression, Template, compile_template, expression
from orchestrator.spec.triggers import EventTrigger
from orchestrator.spec.versions import parse_version


@dataclass(frozen=True, slots=True)
class Route:
    """One event trigger of one workflow, compiled."""

    workflow: str
    name: str
    type: str
    source: str | None
    filter: Expression | None
    inputs: Template
    dedupe: tuple[Expression, ...]

    @property
    def target(self) -> str:
        """What a dead letter that is for this trigger alone says of it."""
        return f"{self.workflow}/{self.name}"

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Whether an event of its type is for it; ExpressionError if the filter has no answer."""
        if self.source is not None and event["source"] != self.source:
            return False
        return self.filter is None or self.filter.holds({"event": event})

    def key(self, event: Mapping[str, Any]) -> str:
        """What two events have in common that are one to this trigger; ExpressionError if it cannot be told."""
        values = [one.evaluate({"event": event}) for one in self.dedupe]
        return _digest(self.workflow, self.name, json.dumps(values, sort_keys=True))

    def input(self, event: Mapping[str, Any]) -> Any:
        """The input of the run that an event starts; ExpressionError if it has none."""
        return self.inputs.render({"event": event})


def run_id_of(key: str, entry_id: str) -> str:
    """The id of the run that an entry of the stream starts under a dedupe key."""
    return _digest(key, entry_id)


class EventTriggers:
    """Finds triggers by the type of an event. Any publication and any mark is seen by the next `refresh`."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._revision: str | None = None
        self._by_type: dict[str, list[Route]] = {}
        self._compiled: dict[tuple[str, str], tuple[Route, ...]] = {}

    def refresh(self) -> None:
        """Look whether anything was published or marked since."""
        registry = self._versions.registry
        revision = registry.revision()  # read first: what comes between is read again by the next refresh
        if revision == self._revision:
            return
        found: dict[str, list[Route]] = {}
        for workflow in registry.workflows():
            for route in self._routes(workflow):
                found.setdefault(route.type, []).append(route)
        self._by_type, self._revision = found, revision

    def of(self, type_: str) -> Sequence[Route]:
        """The triggers that wait for a type."""
        return self._by_type.get(type_, ())

    def _routes(self, workflow: str) -> tuple[Route, ...]:
        try:
            version = in_force(self._versions.offer(workflow))
        except UnknownWorkflow:  # its first version is being published just now
            return ()
        if version is None:
            return ()
        if (workflow, version) not in self._compiled:
            spec = from_canonical(self._versions.published(workflow, version)[0].canonical)
            triggers = [one.event for one in spec.triggers if one.event is not None]
            self._compiled[workflow, version] = tuple(_route(workflow, one) for one in triggers)
        return self._compiled[workflow, version]


def in_force(offer: Offer) -> str | None:
    """The version whose triggers are: the latest, or the highest of those that new runs are shared out among."""
    if offer.traffic is None:
        return offer.latest
    return max((one for one in offer.traffic.weights if offer.percent(one) > 0), key=parse_version)


def _route(workflow: str, trigger: EventTrigger) -> Route:
    return Route(
        workflow=workflow,
        name=trigger.name,
        type=trigger.type,
        source=trigger.source,
        filter=None if trigger.filter is None else expression(trigger.filter),
        inputs=compile_template(trigger.inputs),
        dedupe=tuple(expression(text) for text in trigger.dedupe),
    )


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
