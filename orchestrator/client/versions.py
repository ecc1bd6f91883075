"""Published versions, compiled: what a producer, a worker and a sweeper know of a workflow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from orchestrator import logs
from orchestrator.errors import UnknownWorkflow
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import compile_plan
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.operations import OperationInfo
from orchestrator.spec.traffic import Traffic
from orchestrator.spec.versions import DEPRECATED, LATEST, is_range, latest_stable, satisfies
from orchestrator.store.registry import Definition, Registry

log = logs.get("versions")

KEPT = 512
"""Plans that a process keeps; a version never changes, so none is ever stale."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The versions of a workflow that a new run may take, as they stand at one moment."""

    workflow: str
    stabilities: Mapping[str, str]
    """By version; `deprecated` also where only a mark says so."""
    latest: str | None
    traffic: Traffic | None

    def version_for(self, requirement: str | None, run_id: str, roots: Mapping[str, Any]) -> str:
        """The version that is asked for; else the one that the traffic split gives, else the highest stable one.

        A start for which the split's expression has no value takes a version by its run id: it is not refused.
        """
        if requirement is None or requirement == LATEST:
            return self._by_traffic(self.traffic, run_id, roots) if self.traffic else self._highest(self.stabilities)
        if not is_range(requirement):
            return requirement
        fitting = {one: how for one, how in self.stabilities.items() if satisfies(one, requirement)}
        return self._highest(fitting, f" in {requirement}")

    def is_deprecated(self, version: str) -> bool:
        """Whether no new run should take it any more, by its definition or by a mark."""
        return self.stabilities.get(version) == DEPRECATED

    def percent(self, version: str) -> float:
        """The part that a version takes of the new runs that name none."""
        if self.traffic is not None:
            return self.traffic.percent(version)
        return 100.0 if version == self.latest else 0.0

    def _by_traffic(self, traffic: Traffic, run_id: str, roots: Mapping[str, Any]) -> str:
        value = traffic.sticky_value(roots)
        if value is None and traffic.by is not None:
            log.warning("traffic_not_sticky", workflow=self.workflow, run_id=run_id, by=traffic.by)
        return traffic.choose(self.workflow, run_id if value is None else value)

    def _highest(self, stabilities: Mapping[str, str], where: str = "") -> str:
        highest = self.latest if stabilities is self.stabilities else latest_stable(stabilities)
        if highest is None:
            named = ", ".join(sorted(self.stabilities))
            raise UnknownWorkflow(f"workflow {self.workflow!r} has no stable version{where}; name one of {named}")
        return highest


class Versions:
    """Finds versions in the registry and keeps their plans."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._plans: OrderedDict[tuple[str, str], tuple[Definition, Plan]] = OrderedDict()
        self._offers: dict[str, tuple[str, Offer]] = {}

    def plan(self, key: str, version: str) -> Plan:
        """The plan of a published version; UnknownWorkflow if there is none."""
        return self.published(key, version)[1]

    def published(self, key: str, version: str) -> tuple[Definition, Plan]:
        """A published version and its plan."""
        known = self._plans.get((key, version))
        if known is None:
            definition = self.registry.get(key, version)
            known = definition, compile_definition(definition)
            self._plans[key, version] = known
            if len(self._plans) > KEPT:
                self._plans.popitem(last=False)
        return known

    def offer(self, key: str) -> Offer:
        """What new runs of a workflow may take now; UnknownWorkflow if no version is published."""
        revision = self.registry.revision(key)  # read first: what comes between is read again by the next start
        kept = self._offers.get(key)
        if kept is None or kept[0] != revision:
            kept = self._offers[key] = revision, self._read_offer(key)
        return kept[1]

    def resolve(
        self, key: str, requirement: str | None = None, *, run_id: str = "", roots: Mapping[str, Any] | None = None
    ) -> tuple[Definition, Plan]:
        """The version that a new run takes: `1.2.0`, the highest in `^1.2.0`, or, of `latest` and None, as runs go."""
        if requirement is None or requirement == LATEST or is_range(requirement):
            requirement = self.offer(key).version_for(requirement, run_id, roots or {})
        return self.published(key, requirement)

    def _read_offer(self, key: str) -> Offer:
        definitions, marks = self.registry.versions(key), self.registry.marks(key)
        if not definitions:
            near = get_close_matches(key, self.registry.workflows(), n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UnknownWorkflow(f"no workflow {key!r} is published{hint}", key=key, near=near)
        stabilities = {
            one.version: DEPRECATED if one.version in marks.deprecated else one.stability for one in definitions
        }
        return Offer(key, stabilities, latest_stable(stabilities), marks.traffic)


def compile_definition(definition: Definition) -> Plan:
    """The plan of a stored definition."""
    operations = {name: OperationInfo.from_json(info) for name, info in definition.operations.items()}
    return compile_plan(from_canonical(definition.canonical), operations, digest=definition.digest)
