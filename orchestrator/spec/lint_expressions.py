"""Every expression of a spec: its syntax, and whether it reads only what exists where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.spec.cel_source import Chain, StepRead, reads
from orchestrator.spec.expressions import Expression, ExpressionSyntax, check_template, expression
from orchestrator.spec.flows import FlowShape, flows_of
from orchestrator.spec.lint_operations import Declared
from orchestrator.spec.lint_places import Place, places_of, plain
from orchestrator.spec.lint_schemas import unknown_part
from orchestrator.spec.problems import Path, Report, nearest
from orchestrator.spec.workflow import Step, StepKind, WorkflowSpec


def _closed(*names: str) -> dict[str, Any]:
    return {"properties": {name: {} for name in names}, "additionalProperties": False}


_ROOTS: Final[Mapping[str, Any]] = {
    "run": _closed("id", "key", "version", "started_at", "started_by", "scheduled_at"),
    "undo": _closed("input", "output", "idempotency_key", "outcome"),
}
_RECORD: Final = _closed("output", "error", "failures", "status")
_OUTPUTS: Final[Mapping[StepKind, Any]] = {
    StepKind.EVENT: _closed("id", "type", "source", "time", "data"),
    StepKind.APPROVAL: _closed("decision", "by", "at", "comment", "form", "decisions"),
}


def check_expressions(spec: WorkflowSpec, shapes: Mapping[Path, FlowShape], declared: Declared, report: Report) -> None:
    """All expressions of the spec, whose flows have these shapes."""
    checking = _Checking(spec, declared, report)
    for place in places_of(spec, shapes):
        checking.check(place)


class _Checking:
    """What the expressions of one spec are held against."""

    def __init__(self, spec: WorkflowSpec, declared: Declared, report: Report) -> None:
        self._steps = {plain(step.id): step for flow in flows_of(spec) for step in flow.steps}
        self._roots = {**_ROOTS, "input": spec.input, "ctx": spec.ctx}
        self._declared = declared
        self._report = report

    def check(self, place: Place) -> None:
        """The expressions of one place."""
        for path, found in _expressions(place):
            if isinstance(found, ExpressionSyntax):
                self._report.error("expression_syntax", str(found), path, place.step)
                continue
            for root in sorted(found.roots - place.view.roots):
                known = ", ".join(sorted(place.view.roots))
                message = f"`{root}` cannot be read here; what can is {known}{nearest(root, place.view.roots)}"
                self._report.error("unknown_root", message, path, place.step)
            if "steps" in place.view.roots:
                self._check_steps(found, path, place)
            self._check_undo(found, path, place)
            for chain in dict.fromkeys(reads(found.text).chains):
                self._check_path(chain, path, place)

    def _check_steps(self, found: Expression, path: Path, place: Place) -> None:
        if found.computed_step_column is not None:
            message = (
                f'`{found.text}` computes which step to read; write its id, as in `steps.charge` or `steps["charge"]`'
            )
            self._report.error("computed_step_id", message, path, place.step)
        for name in sorted(found.steps):
            if plain(name) not in place.view.steps:
                self._report.error("unknown_step", self._why_unseen(name, place), path, place.step)
                continue
            if any(_is_bare_output(read, name) for read in found.step_reads):
                self._check_output(name, path, place)

    def _why_unseen(self, name: str, place: Place) -> str:
        if plain(name) in self._steps:
            return f"`steps.{name}` cannot be read here: it compensates, or is inside another branch, item or container"
        return f"`steps.{name}`: there is no such step{nearest(plain(name), place.view.steps)}"

    def _check_output(self, name: str, path: Path, place: Place) -> None:
        read = f"steps.{plain(name)}.output"
        if plain(name) not in place.view.certain:
            message = (
                f"`{read}` is missing on some path that leads here; ask first in the same expression, "
                f"`has({read}) ? {read} : null`, or lead every path through `{name}`"
            )
            self._report.error("missing_output", message, path, place.step)
        elif plain(name) in place.view.undone:
            self._report.warning("undo_output", _may_be_missing(read, f"has({read}) ? … : …"), path, place.step)

    def _check_undo(self, found: Expression, path: Path, place: Place) -> None:
        """The output of what is undone may be null; asking for that, or for the outcome, guards the expression."""
        if "undo" not in found.roots & place.view.roots:
            return
        chains = [chain for chain in reads(found.text).chains if chain.path[0] == "undo"]
        asked = {chain.path[1:] for chain in chains if chain.asked or chain.path[1:] == ("outcome",)}
        if asked.isdisjoint({("outcome",), ("output",)}) and any(chain.path[1:2] == ("output",) for chain in chains):
            message = _may_be_missing("undo.output", 'undo.outcome == "done" ? … : …')
            self._report.warning("undo_output", message, path, place.step)

    def _check_path(self, chain: Chain, path: Path, place: Place) -> None:
        """Whether what a closed schema describes has what is read of it."""
        root, keys = chain.path[0], chain.path[1:]
        if chain.asked or root not in place.view.roots:
            return
        schema = self._roots.get(str(root))
        shown = str(root)
        if root == "steps" and keys:
            step = self._steps.get(plain(str(keys[0])))
            schema, keys, shown = _RECORD, keys[1:], f"steps.{keys[0]}"
            if step is not None and keys[:1] == ("output",):
                schema, keys, shown = self._output_schema(step), keys[1:], f"{shown}.output"
        lacking = unknown_part(schema, keys)
        if lacking is not None:
            at, near = lacking
            inside = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys[:at])
            message = f"`{shown}{inside}` has no `{keys[at]}`{near or '; see what its schema declares'}"
            self._report.error("unknown_path", message, path, place.step)

    def _output_schema(self, step: Step) -> Any:
        if step.parallel:
            return _closed(*step.parallel.branches)
        if step.workflow and step.workflow.detach:
            return _closed("run_id")
        info = self._declared.get(step.operation)
        return info.output_schema if info else _OUTPUTS.get(step.kind)


def _is_bare_output(read: StepRead, name: str) -> bool:
    return read.step == name and read.field == "output" and not read.guarded


def _may_be_missing(read: str, guard: str) -> str:
    return f"`{read}` may be missing: the outcome of what is undone may be unknown; ask first, as in `{guard}`"


def _expressions(place: Place) -> Iterator[tuple[Path, Expression | ExpressionSyntax]]:
    if place.bare:
        if isinstance(place.value, str):
            yield place.path, _read(place.value)
        return
    for path, text in _texts(place.value, place.path):
        good, bad = check_template(text)
        yield from ((path, found) for _, found in good)
        yield from ((path, error) for _, error in bad)


def _read(text: str) -> Expression | ExpressionSyntax:
    try:
        return expression(text)
    except ExpressionSyntax as error:
        return error


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for name, member in value.items():
                yield from _texts(member, (*path, name))
        case list():
            for index, member in enumerate(value):
                yield from _texts(member, (*path, index))
