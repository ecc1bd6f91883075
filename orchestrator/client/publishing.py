"""Publishing: a checked spec becomes a version that never changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from orchestrator.client.shown import Published
from orchestrator.errors import Problem, SpecInvalid, UnknownWorkflow
from orchestrator.plan.plan import compile_plan
from orchestrator.spec.canonical import canonical_json, digest
from orchestrator.spec.flows import flows_of
from orchestrator.spec.lint import check
from orchestrator.spec.lint_operations import operations_named
from orchestrator.spec.operations import OPERATIONS, OperationInfo, OperationRegistry, parse_reference
from orchestrator.spec.policies import Sla
from orchestrator.spec.problems import Path, Report
from orchestrator.spec.versions import is_version
from orchestrator.spec.workflow import WorkflowSpec
from orchestrator.store.registry import Definition, Registry


def publish(
    registry: Registry,
    spec: WorkflowSpec,
    *,
    operations: OperationRegistry = OPERATIONS,
    channels: Collection[str] | None = None,
) -> Published:
    """Check a spec and store it; SpecInvalid or VersionConflict if that is refused. `channels`: where alerts can go."""
    found, warnings = examine(spec, operations, registry)
    definition = define(spec, found)
    created = registry.publish(definition)
    others = [*_unserved(found, registry), *([] if channels is None else unknown_channels(spec, channels))]
    return Published(spec.meta.key, spec.meta.version, definition.digest, created, (*warnings, *others))


def examine(
    spec: WorkflowSpec, operations: OperationRegistry, registry: Registry | None
) -> tuple[dict[str, OperationInfo], tuple[Problem, ...]]:
    """The operations that a spec names, and the warnings about it; SpecInvalid if it is refused.

    Without a registry, only the loaded modules are asked for operations.
    """
    found = find_operations(spec, operations, registry)
    problems = [_as_refused(problem) for problem in check(spec, operations=found)]
    problems += [] if registry is None else _unknown_children(spec, registry)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise SpecInvalid(errors)
    return found, tuple(problems)


def define(spec: WorkflowSpec, operations: Mapping[str, OperationInfo]) -> Definition:
    """The record of a version, with what is known of its operations frozen in it."""
    spec_digest = digest(spec)
    compile_plan(spec, operations, digest=spec_digest)
    return Definition(
        key=spec.meta.key,
        version=spec.meta.version,
        digest=spec_digest,
        canonical=canonical_json(spec),
        stability=spec.meta.stability,
        operations={name: info.to_json() for name, info in operations.items()},
        published_at_ms=0,
        input_schema=spec.input,
    )


def find_operations(
    spec: WorkflowSpec, operations: OperationRegistry, registry: Registry | None
) -> dict[str, OperationInfo]:
    """The operations that a spec names, as far as they are known: from the loaded modules, else the workers'."""
    found: dict[str, OperationInfo] = {}
    register: Sequence[OperationInfo] | None = None
    for reference in operations_named(spec):
        if reference in operations:
            found[reference] = operations.get(reference).describe()
            continue
        if register is None:
            register = _registered(registry)
        key, major = parse_reference(reference)
        served = [info for info in register if info.key == key and major in (None, info.major)]
        if served:
            found[reference] = max(served, key=lambda info: info.major)
    return found


def unknown_channels(spec: WorkflowSpec, channels: Collection[str]) -> list[Problem]:
    """A warning for each escalation to a channel that is none of these: nobody would be told."""
    report = Report()
    slas: list[tuple[Sla | None, Path, str]] = [(spec.sla, ("sla",), "")]
    for flow in flows_of(spec):
        slas += [(step.sla, (*flow.step_path(index), "sla"), step.id) for index, step in enumerate(flow.steps)]
    for sla, path, step in slas:
        for index, rung in enumerate(sla.escalate if sla else ()):
            if rung.to not in channels:
                message = f"the setting `alerts` has no channel {rung.to!r}: this escalation is seen in lists only"
                report.warning("unknown_channel", message, (*path, "escalate", index, "to"), step)
    return report.problems


def _unserved(found: Mapping[str, OperationInfo], registry: Registry) -> list[Problem]:
    """A warning for each operation that no live worker has, if there are workers: runs would wait for one that does."""
    served = {info.reference for info in _registered(registry)}
    missing = [info.reference for info in found.values() if info.reference not in served] if served else []
    return [
        Problem(
            rule="operation_not_served",
            message=f"no live worker has operation {reference!r}: its steps wait until one does (setting `operations`)",
            severity="warning",
        )
        for reference in missing
    ]


def _unknown_children(spec: WorkflowSpec, registry: Registry) -> list[Problem]:
    """An error for each child of an exact version that is not published; others are looked for when they start."""
    report, own = Report(), (spec.meta.key, spec.meta.version)
    for flow in flows_of(spec):
        for index, step in enumerate(flow.steps):
            child = step.workflow
            if child is None or not is_version(child.version) or (child.key, child.version) == own:
                continue
            try:
                registry.get(child.key, child.version)
            except UnknownWorkflow as error:
                report.error("unknown_child", error.message, (*flow.step_path(index), "workflow"), step.id)
    return report.problems


def _as_refused(problem: Problem) -> Problem:
    """What is an error to publish, though `validate`, which may not know the workers, only warns."""
    return replace(problem, severity="error") if problem.rule == "unknown_operation" else problem


def _registered(registry: Registry | None) -> list[OperationInfo]:
    if registry is None:
        return []
    return [OperationInfo.from_json(info) for worker in registry.workers() for info in worker.operations]
