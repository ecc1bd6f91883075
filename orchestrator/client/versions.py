"""Published versions, compiled: what a producer, a worker and a sweeper know of a workflow."""

from __future__ import annotations

from collections import OrderedDict

from orchestrator.errors import UnknownWorkflow
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import compile_plan
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.operations import OperationInfo
from orchestrator.spec.versions import latest_stable
from orchestrator.store.registry import Definition, Registry

KEPT = 512
"""Plans that a process keeps; a version never changes, so none is ever stale."""


class Versions:
    """Finds versions in the registry and keeps their plans."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._plans: OrderedDict[tuple[str, str], tuple[Definition, Plan]] = OrderedDict()
        self._latest: dict[str, tuple[frozenset[str], str]] = {}

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

    def resolve(self, key: str, version: str | None = None) -> tuple[Definition, Plan]:
        """The version that a new run takes: the one that is asked for, else the highest stable one."""
        if version is not None:
            return self.published(key, version)
        numbers = self.registry.numbers(key)
        found = self._latest.get(key)
        if found is None or found[0] != numbers:
            found = self._latest[key] = numbers, self._find_latest(key)
        return self.published(key, found[1])

    def _find_latest(self, key: str) -> str:
        stabilities = {one.version: one.stability for one in self.registry.versions(key)}
        latest = latest_stable(stabilities)
        if latest is None:
            raise UnknownWorkflow(
                f"workflow {key!r} has no stable version; name one of {', '.join(sorted(stabilities))}"
                if stabilities
                else f"no workflow {key!r} is published"
            )
        return latest


def compile_definition(definition: Definition) -> Plan:
    """The plan of a stored definition."""
    operations = {name: OperationInfo.from_json(info) for name, info in definition.operations.items()}
    return compile_plan(from_canonical(definition.canonical), operations, digest=definition.digest)
