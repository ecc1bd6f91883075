"""What the operations of a spec declare, and whether steps use them so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from orchestrator.spec.flows import Flow, flows_of
from orchestrator.spec.lint_schemas import misfits
from orchestrator.spec.operations import Effect, Operation, OperationInfo
from orchestrator.spec.policies import Retry, RunCompensation
from orchestrator.spec.problems import Path, Report
from orchestrator.spec.workflow import Compensation, Step, WorkflowSpec

_UNDO: Final = {name: f"${{undo.{name}}}" for name in ("input", "output", "idempotency_key", "outcome")}
"""What an undo without inputs is given."""


class KnownOperations(Protocol):
    """Operations by reference: the register of this process, or a mapping of what the workers declare."""

    def __contains__(self, reference: object, /) -> bool: ...

    def get(self, reference: str, /) -> Operation | OperationInfo | None:
        """What is declared under `key` or `key@major`."""
        ...


class Declared:
    """What is declared of operations, each described once; of none without `known`."""

    def __init__(self, known: KnownOperations | None = None) -> None:
        self._known = known
        self._infos: dict[str, OperationInfo | None] = {}

    def get(self, reference: str | None) -> OperationInfo | None:
        """What is known of an operation."""
        if reference is None or self._known is None or reference not in self._known:
            return None
        if reference not in self._infos:
            found = self._known.get(reference)
            self._infos[reference] = found.describe() if isinstance(found, Operation) else found
        return self._infos[reference]

    def effect(self, step: Step) -> Effect | None:
        """The effect of the step's operation."""
        info = self.get(step.operation)
        return info.effect if info else None

    def lacks(self, reference: str) -> bool:
        """Whether the operations are known, and this is none of them."""
        return self._known is not None and reference not in self._known


@dataclass(frozen=True, slots=True)
class _Call:
    """One use of an operation; `place` is where it is named, `field` how the parts beside it are reached."""

    step: str
    reference: str
    inputs: Any
    retry: Retry | None
    place: Path
    beside: Path
    policy: str  # where the policy stands that holds if the call does not say


def check_operations(flow: Flow, spec: WorkflowSpec, declared: Declared, report: Report) -> None:
    """Every operation that the steps of one flow call, forward or to undo."""
    for index, step in enumerate(flow.steps):
        for call in _calls(step, flow, index):
            if declared.lacks(call.reference):
                message = f"no module of the setting `operations` and no worker has `{call.reference}`"
                report.warning("unknown_operation", message, call.place, call.step)
            info = declared.get(call.reference)
            if info:
                _check_retry(call, info, spec, report)
                _check_inputs(call, info, report)


def operations_named(spec: WorkflowSpec) -> tuple[str, ...]:
    """Every operation that the spec names, nested flows included, as it is written, each once."""
    steps = ((flow, index, step) for flow in flows_of(spec) for index, step in enumerate(flow.steps))
    return tuple(dict.fromkeys(call.reference for flow, index, step in steps for call in _calls(step, flow, index)))


def _calls(step: Step, flow: Flow, index: int) -> Iterator[_Call]:
    path = flow.step_path(index)
    undoes = any(other.compensation == step.id for other in flow.steps)
    if step.operation is not None:
        inputs = step.inputs or (_UNDO if undoes else {})
        policy = "compensation" if undoes else "defaults"
        yield _Call(step.id, step.operation, inputs, step.retry, (*path, "operation"), path, policy)
    written, place = step.compensation, (*path, "compensation")
    if isinstance(written, Compensation):
        inputs = written.inputs or _UNDO
        yield _Call(step.id, written.operation, inputs, written.retry, (*place, "operation"), place, "compensation")
    elif written is not None and "." in written:
        yield _Call(step.id, written, _UNDO, None, place, place, "compensation")


def _check_retry(call: _Call, info: OperationInfo, spec: WorkflowSpec, report: Report) -> None:
    """Only a policy that the author wrote is judged; the one that undos have by themselves ends at unknown outcomes."""
    terms = spec.compensation.retry if spec.compensation.retry != RunCompensation().retry else None
    inherited = terms if call.policy == "compensation" else spec.defaults.retry
    retry = call.retry or inherited
    if info.idempotent or retry is None or retry.max_attempts == 1:
        return
    source = "" if call.retry else f" (by `{call.policy}.retry`)"
    message = (
        f"`{call.reference}` is not idempotent, so it cannot be retried{source}: "
        "write `retry: {max_attempts: 1}`, or make it idempotent by its key and declare it so"
    )
    report.error("retry_not_idempotent", message, (*call.beside, "retry") if call.retry else call.place, call.step)


def _check_inputs(call: _Call, info: OperationInfo, report: Report) -> None:
    if isinstance(call.inputs, str) or info.input_schema is None:
        return
    found = misfits(call.inputs, info.input_schema, (*call.beside, "inputs"))
    if found and call.inputs is _UNDO:
        message = f"without `inputs`, `{call.reference}` is given `undo` itself, which it does not take; write `inputs`"
        report.error(found[0].rule, message, call.place, call.step)
        return
    for misfit in found:
        report.error(misfit.rule, f"{misfit.message} (input of `{call.reference}`)", misfit.path, call.step)
