"""The scripts of one flow: who plays which, and which were never played."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from orchestrator.engine.address import is_undo, undone_by
from orchestrator.spec.flows import flows_of
from orchestrator.spec.operations import Effect, Operation, OperationRegistry, parse_reference
from orchestrator.spec.workflow import Compensation, Step, WorkflowSpec
from orchestrator.testing.calls import step_name
from orchestrator.testing.complaints import InvalidScript
from orchestrator.testing.scripts import Action, always, real

_REAL = always(real())


@dataclass(slots=True)
class _Script:
    """What is still to be played for one target."""

    left: deque[Action] = field(default_factory=deque)
    played: int = 0

    def play(self) -> Action | None:
        """The next action, if there is one."""
        if not self.left:
            return None
        self.played += 1
        return self.left[0] if self.left[0].repeats else self.left.popleft()

    @property
    def unused(self) -> list[Action]:
        """What was not played; an action that repeats is used when it was played once."""
        return [action for action in self.left if not (action.repeats and self.played)]


class ScriptBook:
    """Scripts by target: an address, a step's id, or an operation's key; the nearest to the call is played first."""

    def __init__(self, spec: WorkflowSpec, operations: OperationRegistry) -> None:
        self._steps = {step.id: step for flow in flows_of(spec) for step in flow.steps}
        self._operations = operations
        self._scripts: dict[str, _Script] = {}
        self._real: set[str] = set()
        self._all_real = False

    def add(self, target: str, actions: Iterable[Action]) -> None:
        """Play these actions, one a call, after those that the target already has."""
        __tracebackhide__ = True
        operation = self.operation_of(target)
        script = self._scripts.setdefault(target, _Script())
        for action in actions:
            if script.left and script.left[-1].repeats:
                raise InvalidScript(f"{target}: nothing is played after {script.left[-1]}")
            _check_output(target, action, operation)
            script.left.append(action)

    def run_for_real(self, targets: Iterable[str]) -> None:
        """Call the own code of these, or of everything that has no script, whenever no script is left."""
        named = set(targets)
        for target in named:
            self.operation_of(target)
        self._real |= named
        self._all_real = self._all_real or not named

    def play(self, address: str, operation: str) -> Action | None:
        """What the call at an address does; None if nothing says so."""
        targets = self._targets(address, operation)
        for target in targets:
            action = self._scripts[target].play() if target in self._scripts else None
            if action is not None:
                return action
        return _REAL if self._all_real or self._real.intersection(targets) else None

    def unused(self) -> Iterator[str]:
        """What was not played, as it was written."""
        for target, script in self._scripts.items():
            if script.unused:
                yield f"{target}: {', '.join(str(action) for action in script.unused)}"

    def operation_of(self, target: str) -> Operation:
        """The operation behind a target; InvalidScript if there is none."""
        __tracebackhide__ = True
        if "." in target and "/" not in target:
            return self._named_operation(target)
        name = _name_in(target)
        step = self._steps.get(undone_by(name))
        if step is None:
            near = get_close_matches(target, self._steps, n=2)
            raise InvalidScript(f"there is no step {target!r}{_hint(near)}")
        reference = self._undo_of(step) if is_undo(name) else step.operation
        if reference is None:
            what = "has no compensation" if is_undo(name) else f"is a {step.kind.value}"
            raise InvalidScript(f"step {step.id!r} {what}: there is no operation to script")
        return self._operations.get(reference)

    def _named_operation(self, key: str) -> Operation:
        __tracebackhide__ = True
        if key in self._operations:
            return self._operations.get(key)
        near = get_close_matches(key, [one.key for one in self._operations], n=2)
        raise InvalidScript(f"no step of this workflow calls {key!r}{_hint(near)}")

    def _targets(self, address: str, operation: str) -> list[str]:
        name = step_name(address)
        compensating = self._compensating(name) if is_undo(name) else None
        key, _ = parse_reference(operation)
        return list(dict.fromkeys(filter(None, (address, name, compensating, operation, key))))

    def _compensating(self, name: str) -> str | None:
        """The id of the compensating step that is behind an undo, if it is one."""
        undo = self._steps[undone_by(name)].compensation
        return undo if isinstance(undo, str) and undo in self._steps else None

    def _undo_of(self, step: Step) -> str | None:
        undo = step.compensation
        if isinstance(undo, Compensation):
            return undo.operation
        return self._steps[undo].operation if undo in self._steps else undo


def unspecified(reference: str) -> Operation:
    """What is assumed of an operation that this process does not have: it writes, and is idempotent by its key."""
    key, major = parse_reference(reference)
    return Operation(_absent, key, f"{1 if major is None else major}.0.0", Effect.WRITE, idempotent=True)


def _absent(given: Any) -> Any:
    raise NotImplementedError(given)


def _name_in(target: str) -> str:
    __tracebackhide__ = True
    try:
        return step_name(target)
    except ValueError:
        raise InvalidScript(f"{target!r} is neither an operation's key nor a step's id or address") from None


def _check_output(target: str, action: Action, operation: Operation) -> None:
    __tracebackhide__ = True
    if action.kind == "real" and operation.function is _absent:
        raise InvalidScript(f"{target}: {operation.key} is not in any module of the setting `operations`")
    if action.kind != "ok" or action.dies or callable(action.output):
        return
    try:
        operation.serialize_output(action.output)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the output'}: {one['msg']}" for one in error.errors())
        raise InvalidScript(f"{target}: {operation.key} cannot give {action}: {wrong}") from None
    except (ValueError, TypeError) as error:
        raise InvalidScript(f"{target}: {operation.key} cannot give {action}: {error}") from None


def _hint(near: list[str]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""
