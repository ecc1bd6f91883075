"""What the fields of a workflow and of a step ask of each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from orchestrator.spec.cel_source import NOT_ROOTS
from orchestrator.spec.fields import ROOTS, BareMilliseconds
from orchestrator.spec.lint_schemas import misfits
from orchestrator.spec.operations import parse_reference
from orchestrator.spec.policies import Limit
from orchestrator.spec.problems import Path, Report
from orchestrator.spec.workflow import Step, StepKind, WorkflowSpec

MAX_SEARCH: Final = 16

_RETRIED: Final = {"inputs", "retry", "timeout", "compensation", "pivot", "sla"}
_TIMED: Final = {"timeout", "sla"}
_FIELDS: Final[Mapping[StepKind, set[str]]] = {
    StepKind.OPERATION: _RETRIED | {"queue_timeout", "heartbeat_timeout", "queue", "priority", "limits"},
    StepKind.WORKFLOW: _RETRIED,
    StepKind.PARALLEL: _TIMED,
    StepKind.MAP: _TIMED,
    StepKind.EVENT: _TIMED,
    StepKind.APPROVAL: _TIMED,
    StepKind.WAIT: {"sla"},
    StepKind.CHOICE: set(),
}
_KIND_FIELDS: Final = frozenset[str]().union(*_FIELDS.values())
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRANCH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_REDACT_ROOTS: Final = frozenset({"input", "ctx", "steps", "output", "error", "*", "**"})
_REDACT: Final = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")


def check_workflow(spec: WorkflowSpec, report: Report) -> None:
    """The fields of the workflow itself."""
    if len(spec.search) > MAX_SEARCH:
        report.error("too_many_search_fields", f"at most {MAX_SEARCH} fields can be searched", ("search",))
    for index, path in enumerate(spec.redact):
        if not _REDACT.fullmatch(path):
            message = f"`{path}` is not a path; write `input.card.number` or `**.password`"
            report.error("invalid_redact_path", message, ("redact", index))
        elif path.partition(".")[0] not in _REDACT_ROOTS:
            message = f"`{path}` leads nowhere; paths begin with {', '.join(sorted(_REDACT_ROOTS))}"
            report.error("invalid_redact_path", message, ("redact", index))
    _check_limits(spec.limits, (), report)
    _check_triggers(spec, report)


def check_durations(part: BaseModel, path: Path, report: Report) -> None:
    """Warns about each duration under a second that was written as a bare integer."""
    for name in type(part).model_fields:
        _check_duration(getattr(part, name), (*path, name), report)


def _check_duration(value: Any, path: Path, report: Report) -> None:
    match value:
        case BareMilliseconds():
            count = value.microseconds // 1000
            message = f"{count} is milliseconds; write `{count}ms` if that is meant, else `{count}s`"
            report.warning("bare_milliseconds", message, path)
        case BaseModel():
            check_durations(value, path, report)
        case tuple():
            for index, member in enumerate(value):
                _check_duration(member, (*path, index), report)
        case dict() if any(isinstance(member, BaseModel) for member in value.values()):
            for name, member in value.items():
                _check_duration(member, (*path, name), report)


def check_step(step: Step, path: Path, report: Report) -> None:
    """The fields of one step."""
    _check_kind(step, path, report)
    _check_limits(step.limits, path, report, step.id)
    for check in (_check_wait, _check_event, _check_approval, _check_containers, _check_compensation):
        check(step, path, report)
    for index, route in enumerate(step.failure_routes):
        for code in {"run_timeout", "cancelled"}.intersection(route.errors):
            message = f"`{code}` ends the whole run, so no step can handle it"
            report.error("error_not_handled", message, (*path, "on_failure", index, "errors"), step.id)


def _check_kind(step: Step, path: Path, report: Report) -> None:
    if len(step.kinds) > 1:
        report.error(
            "several_kinds", f"a step is one thing, not {' and '.join(step.kinds)}; make two steps", path, step.id
        )
        return
    if not step.kinds and not step.transitions:
        kinds = ", ".join(f"`{kind}`" for kind in StepKind if kind is not StepKind.CHOICE)
        report.error("missing_kind", f"say what the step does ({kinds}), or give it `transitions`", path, step.id)
        return
    for name in sorted(_KIND_FIELDS - _FIELDS[step.kind]):
        if getattr(step, name) != Step.model_fields[name].get_default(call_default_factory=True):
            fitting = ", ".join(kind for kind, names in _FIELDS.items() if name in names)
            message = f"`{name}` means nothing on a step of kind {step.kind}; it belongs to {fitting}"
            report.error("wrong_field", message, (*path, name), step.id)


def _check_limits(limits: tuple[Limit, ...], path: Path, report: Report, step: str = "") -> None:
    for index, limit in enumerate(limits):
        if (limit.max is None) == (limit.rate is None):
            message = "a limit has either `max` (so many at once) or `rate` (so many in a time)"
            report.error("max_or_rate", message, (*path, "limits", index), step)


def _check_triggers(spec: WorkflowSpec, report: Report) -> None:
    names: set[str] = set()
    for index, trigger in enumerate(spec.triggers):
        path = ("triggers", index)
        if (trigger.schedule is None) == (trigger.event is None):
            report.error("schedule_or_event", "a trigger is either a `schedule` or an `event`", path)
        elif trigger.name in names:
            report.error("duplicate_trigger", f"two triggers are named `{trigger.name}`; rename one", path)
        names.add(trigger.name)
        schedule = trigger.schedule
        if schedule and sum(slot is not None for slot in (schedule.cron, schedule.every, schedule.at)) != 1:
            report.error("one_of_cron_every_at", "a schedule has one of `cron`, `every`, `at`", (*path, "schedule"))
        if schedule and spec.input is not None and isinstance(schedule.inputs, dict):
            for misfit in misfits(schedule.inputs, spec.input, (*path, "schedule", "inputs")):
                report.error(misfit.rule, f"{misfit.message} (input of this workflow)", misfit.path)


def _check_wait(step: Step, path: Path, report: Report) -> None:
    wait = step.wait
    if wait and sum(one is not None for one in (wait.duration, wait.expression, wait.until)) != 1:
        message = 'a wait is a duration, `"${…}"` that gives one, or `{until: expression}`'
        report.error("invalid_wait", message, (*path, "wait"), step.id)


def _check_event(step: Step, path: Path, report: Report) -> None:
    event = step.event
    if event is None:
        return
    place = (*path, "event")
    if (event.type is None) == (not event.signal):
        report.error("type_or_signal", "an event has either a `type` or a `signal`", place, step.id)
    elif event.signal and (event.source or event.filter or event.correlation):
        message = "a signal is sent to the run, so it has no `source`, `filter` or `correlation`"
        report.error("wrong_field", message, place, step.id)


def _check_approval(step: Step, path: Path, report: Report) -> None:
    approval = step.approval
    if approval is None:
        return
    place = (*path, "approval")
    if not approval.users and not approval.groups:
        report.error("nobody_to_ask", "say who decides: `users`, `groups` or both", place, step.id)
    grouped = approval.groups or any(level.groups for level in approval.escalate)
    if approval.mode != "any" and grouped:
        message = f"mode {approval.mode} counts users; name them in `users` instead of `groups`"
        report.error("mode_needs_users", message, (*place, "mode"), step.id)
    for index, level in enumerate(approval.escalate):
        if not level.users and not level.groups:
            report.error("nobody_to_ask", "say who decides then", (*place, "escalate", index), step.id)


def _check_containers(step: Step, path: Path, report: Report) -> None:
    for name in step.parallel.branches if step.parallel else ():
        if not _BRANCH.fullmatch(name):
            message = f"`{name}` cannot name a branch: use at most 64 letters, digits, `-` and `_`, and no `-` first"
            report.error("invalid_branch", message, (*path, "parallel", "branches", name), step.id)
    if step.parallel and isinstance(step.parallel.join, int) and step.parallel.join > len(step.parallel.branches):
        count = len(step.parallel.branches)
        message = f"{step.parallel.join} branches cannot arrive; a join is `all`, `any` or, here, at most {count}"
        report.error("join_out_of_range", message, (*path, "parallel", "join"), step.id)
    if step.map:
        name = step.map.item_name
        if not _NAME.fullmatch(name) or name in ROOTS - {"item"} or name in NOT_ROOTS:
            message = f"`{name}` cannot name the item: use letters, digits and `_`, and no root or word of CEL"
            report.error("invalid_item_name", message, (*path, "map", "item_name"), step.id)


def _check_compensation(step: Step, path: Path, report: Report) -> None:
    if isinstance(step.compensation, str) and "." in step.compensation:
        try:
            parse_reference(step.compensation)
        except ValueError as error:
            report.error("invalid_operation", str(error), (*path, "compensation"), step.id)
