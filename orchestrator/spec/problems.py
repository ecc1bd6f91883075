"""Turns what pydantic reports into Problems that say where and in which step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from orchestrator.errors import Problem

Path = tuple[str | int, ...]

_PYDANTIC_RULES = frozenset(get_args(ErrorType))


@dataclass(slots=True)
class Positions:
    """Where a part of a document stands, and where its parts do. Lines and columns count from 1; 0 is unknown."""

    line: int = 0
    column: int = 0
    parts: dict[str | int, Positions] = field(default_factory=dict)

    def find(self, path: Path) -> tuple[int, int]:
        """The place of the deepest part of `path` that was written; what a short form left out is passed over."""
        place = self
        for part in path:
            place = place.parts.get(part, place)
        return place.line, place.column


def path_text(path: Path) -> str:
    """`steps[2].map.steps[0].inputs`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


class Report:
    """Collects the problems of one spec."""

    def __init__(self, positions: Positions | None = None) -> None:
        self.problems: list[Problem] = []
        self._positions = positions or Positions()

    def error(self, rule: str, message: str, path: Path, step: str = "") -> None:
        """Something that has to be mended."""
        self._add(rule, message, path, step, "error")

    def warning(self, rule: str, message: str, path: Path, step: str = "") -> None:
        """Something that may not be meant."""
        self._add(rule, message, path, step, "warning")

    def _add(self, rule: str, message: str, path: Path, step: str, severity: Literal["error", "warning"]) -> None:
        line, column = self._positions.find(path)
        self.problems.append(Problem(rule, message, path_text(path), "", line, column, step, severity))


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean `x`?` when one of the names is like it."""
    near = get_close_matches(name, list(names), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def problems_of(error: ValidationError, data: Any, positions: Positions | None = None) -> list[Problem]:
    """Every problem that pydantic found in `data`."""
    found = []
    for detail in error.errors(include_url=False, include_context=False):
        path = detail["loc"]
        line, column = positions.find(path) if positions else (0, 0)
        message = "this field is required" if detail["type"] == "missing" else detail["msg"]
        rule = _rule(detail["type"])
        found.append(Problem(rule, message, path_text(path), "", line, column, _step_at(path, data)))
    return found


def _rule(error_type: str) -> str:
    if error_type == "missing":
        return "missing_field"
    return "invalid_value" if error_type in _PYDANTIC_RULES else error_type


def _step_at(path: Path, data: Any) -> str:
    """The id of the innermost step on the way to `path`; a part that a short form left out is passed over."""
    step, node = "", data
    for part in path:
        node = _member(node, part)
        if isinstance(part, int):
            name = _member(node, "id")
            step = name if isinstance(name, str) else step
    return step


def _member(node: Any, part: str | int) -> Any:
    if isinstance(part, int):
        inside = isinstance(node, Sequence) and not isinstance(node, str) and part < len(node)
        return node[part] if inside else node
    if isinstance(node, BaseModel):
        return getattr(node, part, node)
    return node.get(part, node) if isinstance(node, Mapping) else node
