"""A version's definition: as its author wrote it, and in a few facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import yaml
from markupsafe import Markup

from orchestrator.client.shown import ScheduleDescription, VersionStatus
from orchestrator.dashboard.look.markup import joined, tag
from orchestrator.dashboard.look.parts import key_values
from orchestrator.dashboard.look.times import in_words, moment
from orchestrator.spec.durations import milliseconds
from orchestrator.spec.workflow import WorkflowSpec

_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The one in C, where PyYAML has it: a definition may have a thousand steps."""


def as_written(spec: WorkflowSpec) -> str:
    """As YAML that could be published; what is at its default is left out, durations are in milliseconds."""
    return as_yaml(spec.model_dump(mode="json", exclude_defaults=True))


def as_yaml(value: Any) -> str:
    """A value as YAML, its keys in their order."""
    return str(yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=100))


def facts(spec: WorkflowSpec, version: VersionStatus, schedules: Sequence[ScheduleDescription]) -> Markup:
    """What is known of a version as a whole."""
    meta, sla = spec.meta, spec.sla
    pairs: Mapping[str, Markup | str | None] = {
        "Owners": ", ".join(meta.owners) or None,
        "Tags": joined((tag("span", one, class_="tag") for one in meta.tags), " ") if meta.tags else None,
        "Published": moment(version.published_at),
        "Deprecated": moment(version.deprecated_at) if version.deprecated_at else None,
        "Digest": tag("code", version.digest[:12], title=version.digest),
        "Time limit": _lasts(spec.timeout),
        "SLA": _lasts(sla.max_duration) if sla else None,
        "Undo": "when an operator says so" if spec.compensation.trigger == "manual" else None,
        "Limits": joined((tag("code", one.key) for one in spec.limits), ", ") if spec.limits else None,
        "Triggers": _triggers(spec, schedules),
        "Masked": joined((tag("code", one) for one in spec.redact), ", ") if spec.redact else None,
    }
    said = tag("p", meta.description, class_="lead") if meta.description else None
    return joined([said, key_values(pairs)])


def _lasts(duration: timedelta | None) -> str | None:
    return None if duration is None else in_words(milliseconds(duration))


def _triggers(spec: WorkflowSpec, schedules: Sequence[ScheduleDescription]) -> Markup | None:
    """Its schedules, each with its next slot, and the events that start it."""
    shown = [_schedule(one) for one in schedules if one.state != "retired"]
    shown += [joined(["event ", tag("code", one.event.type)]) for one in spec.triggers if one.event is not None]
    return joined(shown, tag("br")) if shown else None


def _schedule(one: ScheduleDescription) -> Markup:
    due = moment(one.next[0]) if one.next and one.state == "active" else one.state
    return joined([f"schedule {one.name}: ", due])
