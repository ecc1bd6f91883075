"""What two versions of a workflow differ in: steps, the rest of the definition, and its lines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from orchestrator.dashboard.pages.workflow_definition import as_written
from orchestrator.plan.graph import Node, Plan
from orchestrator.spec.flows import Flow, flows_of
from orchestrator.spec.workflow import Step, WorkflowSpec

CONTEXT: Final = 3
"""Lines around a change."""
MOST_LINES: Final = 2_000
_LEADS: Final = frozenset({"on_success", "on_failure", "transitions", "id"})
"""Told by where a step leads, whichever way that is written."""

Kind = Literal["added", "removed", "changed"]
Change = tuple[str, Any, Any]
"""A field, as it was and as it is; None: not there."""


@dataclass(frozen=True, slots=True)
class StepDifference:
    """A step that only one version has, or that is another in each."""

    id: str
    kind: Kind
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the definitions: in both, or in one of them; with its number in each."""

    sign: Literal[" ", "+", "-", "@"]
    text: str
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Differences:
    """From one version to another."""

    steps: tuple[StepDifference, ...]
    rest: tuple[Change, ...]
    lines: tuple[Line, ...]
    left_out: int
    """Lines that are too many to be shown."""

    def count(self, kind: Kind) -> int:
        """How many steps were added, removed or changed."""
        return sum(one.kind == kind for one in self.steps)


def differences(before: tuple[WorkflowSpec, Plan], after: tuple[WorkflowSpec, Plan]) -> Differences:
    """What came, what went, and what is another now."""
    old, new = _steps(*before), _steps(*after)
    found = [
        StepDifference(id, _kind(id, old, new), _changes(old.get(id, {}), new.get(id, {})))
        for id in [*new, *(id for id in old if id not in new)]  # noqa: A001  # what it is
    ]
    lines = _lines(as_written(before[0]), as_written(after[0]))
    return Differences(
        tuple(one for one in found if one.changes),
        _changes(_rest(before[0]), _rest(after[0])),
        tuple(lines[:MOST_LINES]),
        max(0, len(lines) - MOST_LINES),
    )


def _kind(id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Kind:  # noqa: A002
    if id not in old:
        return "added"
    return "changed" if id in new else "removed"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    names = [*new, *(name for name in old if name not in new)]
    return tuple((name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _steps(spec: WorkflowSpec, plan: Plan) -> dict[str, dict[str, Any]]:
    """Each step without those within it: what it is, where it stands, and where it leads."""
    found: dict[str, dict[str, Any]] = {}
    for flow in flows_of(spec):
        for step in flow.steps:
            own = {name: value for name, value in _own(step).items() if name not in _LEADS}
            node = plan.nodes.get(step.id)
            if node is not None:
                own |= _leads(node)
                own |= {"operation": node.work.operation} if node.work else {}
            found[step.id] = own | ({"within": _place(flow)} if flow.owner else {})
    return found


def _own(step: Step) -> dict[str, Any]:
    dumped: dict[str, Any] = step.model_dump(mode="json", exclude_defaults=True)
    if step.parallel is not None:
        branches = {
            name: {key: value for key, value in branch.items() if key != "steps"} if isinstance(branch, dict) else {}
            for name, branch in dumped["parallel"]["branches"].items()
        }
        dumped["parallel"] = {**dumped["parallel"], "branches": branches}
    if step.map is not None:
        dumped["map"] = {key: value for key, value in dumped["map"].items() if key != "steps"}
    return dumped


def _leads(node: Node) -> dict[str, Any]:
    if node.needs is not None:
        return {}
    on = [one.to if one.when is None else f"{one.to} if {one.when.text}" for one in node.routes]
    failed = [
        one.to
        + (f" on {', '.join(sorted(one.codes))}" if one.codes else "")
        + (f" if {one.when.text}" if one.when else "")
        for one in node.failures
    ]
    return {"leads to": on} | ({"on failure": failed} if failed else {})


def _place(flow: Flow) -> str:
    return f"{flow.owner.id if flow.owner else ''}/{flow.path[-1]}"


def _rest(spec: WorkflowSpec) -> dict[str, Any]:
    """The definition without its steps, and without the version, which is another by nature."""
    dumped: dict[str, Any] = spec.model_dump(mode="json", exclude_defaults=True)
    meta = {f"meta.{name}": value for name, value in dumped.pop("meta").items() if name != "version"}
    return meta | {name: value for name, value in dumped.items() if name != "steps"}


def _lines(before: str, after: str) -> Sequence[Line]:
    old, new = before.splitlines(), after.splitlines()
    found: list[Line] = []
    for place, group in enumerate(difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT)):
        if place:
            found.append(Line("@", ""))
        for word, i1, i2, j1, j2 in group:
            if word == "equal":
                found += [Line(" ", old[i1 + k], i1 + k + 1, j1 + k + 1) for k in range(i2 - i1)]
                continue
            found += [Line("-", old[k], before=k + 1) for k in range(i1, i2)]
            found += [Line("+", new[k], after=k + 1) for k in range(j1, j2)]
    return found
