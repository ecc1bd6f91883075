"""What can be said of a document some of whose fields are wrong, so that mending them brings up nothing new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from orchestrator.errors import Problem
from orchestrator.spec import lint
from orchestrator.spec.fields import snake_case
from orchestrator.spec.lint import KnownOperations
from orchestrator.spec.problems import Positions
from orchestrator.spec.workflow import WorkflowSpec

_META: Final = {"key": "some.workflow", "version": "1.0.0"}
_BY_THEMSELVES: Final = frozenset(
    (
        *("invalid_id", "duplicate_id", "vague_id", "unknown_step", "invalid_branch", "join_out_of_range"),
        *("expression_syntax", "computed_step_id", "bare_milliseconds", "wrong_field", "several_kinds"),
        *("unknown_operation", "retry_not_idempotent", "missing_input", "unknown_input", "wrong_input"),
    )
)
"""Rules that judge a part whatever stands around it; the others might find what only the missing part causes."""


def check_rest(
    data: Any, error: ValidationError, positions: Positions, operations: KnownOperations | None = None
) -> list[Problem]:
    """The problems of the parts of a document that can be read; none if too little is left."""
    places = [detail["loc"] for detail in error.errors(include_url=False, include_context=False)]
    steps = {place[1] for place in places if place[0:1] == ("steps",) and len(place) > 1}
    fields = {snake_case(str(place[0])) for place in places if place and not (place[0] == "steps" and len(place) > 1)}
    if not isinstance(data, Mapping) or "steps" in fields or () in places:
        return []
    rest = {name: value for name, value in data.items() if snake_case(str(name)) not in fields}
    rest["meta"] = rest.get("meta", _META)
    rest["steps"] = [_hole(step) if index in steps else step for index, step in enumerate(data.get("steps", ()))]
    try:
        spec = WorkflowSpec.model_validate(rest)
    except ValidationError:
        return []
    return [problem for problem in lint.check(spec, positions, operations) if problem.rule in _BY_THEMSELVES]


def _hole(step: Any) -> Any:
    """A step of the same name with nothing else in it that could be wrong."""
    return {"id": step.get("id"), "wait": "1s"} if isinstance(step, Mapping) else step
