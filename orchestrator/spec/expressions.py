"""CEL expressions, bare and within `${…}`: compiled once, then evaluated against the roots that a step sees."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from orchestrator.errors import ExpressionError
from orchestrator.spec.cel_binding import binding
from orchestrator.spec.cel_source import Reads, Refused, StepRead, reads, tokens

__all__ = [
    "Expression",
    "ExpressionSyntax",
    "StepRead",
    "Template",
    "check_template",
    "compile_template",
    "expression",
    "render",
    "step_root",
    "template_expressions",
]

Roots: TypeAlias = Mapping[str, Any]
Renderer: TypeAlias = Callable[[Roots], Any]

# What the binding raises for an expression. Anything else, such as the alarm that ends an attempt, is not its doing.
_CEL_ERRORS: Final = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_CEL_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


class ExpressionSyntax(ValueError):
    """A text is not a CEL expression; `line` and `column` count from 1 within that expression."""

    def __init__(self, message: str, text: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"{message}, at {line}:{column} of {text!r}")
        self.message = message
        self.text = text
        self.line = line
        self.column = column


class Expression:
    """A compiled CEL expression, and what it reads."""

    __slots__ = (
        "_other_roots",
        "_path",
        "_program",
        "_step_fields",
        "computed_step_column",
        "roots",
        "step_reads",
        "text",
    )

    def __init__(self, text: str, program: Any, read: Reads) -> None:
        self.text = text
        self.roots = read.roots
        self.step_reads = read.steps
        self.computed_step_column = read.computed_step_column
        self._program = program
        self._path = read.path
        self._step_fields = _step_fields(read)
        self._other_roots = tuple(sorted(read.roots - {"steps"} if self._step_fields is not None else read.roots))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    @property
    def steps(self) -> frozenset[str]:
        """The steps that it reads, named as they are written."""
        return frozenset(read.step for read in self.step_reads)

    def evaluate(self, roots: Roots) -> Any:
        """Its value, always plain JSON; ExpressionError if it raises or gives anything else."""
        if self._path is not None:
            return self._read(self._path, roots)
        try:
            return _plain(self._program.execute(self._narrowed(roots)))
        except _CEL_ERRORS as error:
            raise self._failed(_cause(error)) from error

    def holds(self, roots: Roots) -> bool:
        """Its value as a condition; anything but true or false is an ExpressionError."""
        value = self.evaluate(roots)
        if isinstance(value, bool):
            return value
        raise self._failed(f"a condition must be true or false, not {_json_type(value)}")

    def _read(self, path: tuple[str | int, ...], roots: Roots) -> Any:
        """A plain read needs no CEL, which would convert the whole root and back."""
        value: Any = roots
        for key in path:
            if isinstance(value, str):
                raise self._failed(_missing(key, value, roots))
            try:
                value = value[key]
            except (LookupError, TypeError):
                raise self._failed(_missing(key, value, roots)) from None
        return value

    def _narrowed(self, roots: Roots) -> dict[str, Any]:
        """Only what is read: CEL converts all that it is given, every time."""
        given = {name: roots[name] for name in self._other_roots if name in roots}
        if self._step_fields:
            given["steps"] = _pick(roots.get("steps", {}), self._step_fields)
        return given

    def _failed(self, cause: str) -> ExpressionError:
        return ExpressionError(f"{cause}, in the expression {self.text}", expression=self.text)


@lru_cache(maxsize=8192)
def expression(text: str) -> Expression:
    """The compiled expression; ExpressionSyntax if it is none, or can never be evaluated."""
    if not text.strip():
        raise ExpressionSyntax("an expression is missing", text)
    if text.startswith("${"):
        raise ExpressionSyntax("an expression alone is written without `${` and `}`", text)
    try:
        program = binding().compile(text)
        return Expression(text, program, reads(text))
    except Refused as refused:
        line = text.count("\n", 0, refused.at) + 1
        column = refused.at - (text.rfind("\n", 0, refused.at) + 1) + 1
        raise ExpressionSyntax(refused.message, text, line, column) from None
    except ValueError as error:
        raise _syntax_error(text, str(error)) from None


def step_root(records: Mapping[str, Any]) -> dict[str, Any]:
    """The root `steps`: each record under its id and, for an id with `-`, also under the id with `_`."""
    return {**{step.replace("-", "_"): record for step, record in records.items()}, **records}


@dataclass(frozen=True, slots=True)
class Template:
    """A JSON value whose texts may hold `${…}`, ready to be rendered; `expressions` are its expressions by path."""

    expressions: tuple[tuple[str, Expression], ...]
    _render: Renderer

    def render(self, roots: Roots) -> Any:
        """The value with every `${…}` evaluated; parts without any are shared with the template, not copied."""
        return self._render(roots)


def compile_template(value: Any, prefix: str = "") -> Template:
    """The template of a JSON value; the first ExpressionSyntax in it is raised."""
    found: list[tuple[str, Expression]] = []
    renderer = _compile(value, prefix, found)
    return Template(tuple(found), renderer or (lambda _: value))


def render(value: Any, roots: Roots) -> Any:
    """A JSON value with every `${…}` evaluated."""
    return compile_template(value).render(roots)


def template_expressions(value: Any, prefix: str = "") -> tuple[tuple[str, Expression], ...]:
    """All expressions of a JSON value, each with its path (`inputs.lines[0].sku`); ExpressionSyntax if one is wrong."""
    return compile_template(value, prefix).expressions


def check_template(
    value: Any, prefix: str = ""
) -> tuple[tuple[tuple[str, Expression], ...], tuple[tuple[str, ExpressionSyntax], ...]]:
    """All expressions of a JSON value and all texts that are wrong, each with its path."""
    found: list[tuple[str, Expression]] = []
    wrong: list[tuple[str, ExpressionSyntax]] = []
    for path, text in _texts(value, prefix):
        try:
            _compile(text, path, found)
        except ExpressionSyntax as error:
            wrong.append((path, error))
    return tuple(found), tuple(wrong)


def _texts(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, value)]
    return [text for at, part in _parts(value, path) for text in _texts(part, at)]


def _parts(value: Any, path: str) -> list[tuple[str, Any]]:
    """What a JSON object or list holds, with the path of each."""
    if isinstance(value, Mapping):
        return [(f"{path}.{key}" if path else str(key), part) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [(f"{path}[{index}]", part) for index, part in enumerate(value)]
    return []


def _compile(value: Any, path: str, found: list[tuple[str, Expression]]) -> Renderer | None:
    """What renders the value, or None if it renders as itself; its expressions are added to `found`."""
    if isinstance(value, str):
        return _compile_text(value, path, found) if "${" in value else None
    compiled = [(part, _compile(part, at, found)) for at, part in _parts(value, path)]
    if all(renderer is None for _, renderer in compiled):
        return None
    renderers = [renderer or _constant(part) for part, renderer in compiled]
    if isinstance(value, Mapping):
        items = tuple(zip(value, renderers, strict=True))
        return lambda roots: {key: renderer(roots) for key, renderer in items}
    return lambda roots: [renderer(roots) for renderer in renderers]


def _constant(value: Any) -> Renderer:
    return lambda _: value


def _compile_text(text: str, path: str, found: list[tuple[str, Expression]]) -> Renderer:
    pieces = _split(text)
    found.extend((path, piece) for piece in pieces if isinstance(piece, Expression))
    if len(pieces) == 1:
        only = pieces[0]
        return only.evaluate if isinstance(only, Expression) else _constant(only)
    return lambda roots: "".join(p if isinstance(p, str) else _as_text(p.evaluate(roots)) for p in pieces)


def _split(text: str) -> list[str | Expression]:
    """The literal texts and the expressions that a text consists of, in order."""
    pieces: list[str | Expression] = []
    literal, at = "", 0
    while (start := text.find("${", at)) >= 0:
        if start > at and text[start - 1] == "$":
            literal, at = literal + text[at : start - 1] + "${", start + 2
            continue
        end = _closing(text, start + 2)
        if literal or start > at:
            pieces.append(literal + text[at:start])
        pieces.append(expression(text[start + 2 : end]))
        literal, at = "", end + 1
    if literal or at < len(text):
        pieces.append(literal + text[at:])
    return pieces


def _closing(text: str, start: int) -> int:
    """Where the `}` stands that closes the expression that begins at `start`."""
    depth = 0
    for token in tokens(text, start):
        if token.kind == "sign" and token.text in "{}":
            if token.text == "}" and depth == 0:
                return token.at
            depth += 1 if token.text == "{" else -1
    rest = text[start:]
    raise ExpressionSyntax("`${` is not closed by a `}`", rest, 1, len(rest) + 1)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _step_fields(read: Reads) -> dict[str, frozenset[str] | None] | None:
    """The fields read of each step (None: all of them); None if the steps read are not known beforehand."""
    if read.computed_step_column is not None:
        return None
    fields: dict[str, frozenset[str] | None] = {}
    for step, field in ((one.step, one.field) for one in read.steps):
        before = fields.get(step, frozenset())
        fields[step] = None if field is None or before is None else before | {field}
    return fields


def _pick(records: Mapping[str, Any], step_fields: Mapping[str, frozenset[str] | None]) -> dict[str, Any]:
    """The records and fields that are read; a step that has none yet has an empty one, so that `has` can ask."""
    picked: dict[str, Any] = {}
    for step, fields in step_fields.items():
        record = records.get(step)
        if fields is None:
            if record is not None:
                picked[step] = record
        else:
            picked[step] = {field: record[field] for field in fields if field in record} if record else {}
    return picked


def _plain(value: Any) -> Any:
    """The value as plain JSON; ValueError if JSON has no such value."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the result {value} is not a JSON number")
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        strange = [key for key in value if not isinstance(key, str)]
        if strange:
            raise ValueError(f"the result has the key {strange[0]!r}; the keys of a JSON object are texts")
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, binding().OptionalValue):
        return _plain(value.or_value(None))
    raise ValueError(f"the result is a {type(value).__name__}, which JSON does not have; convert it with string(…)")


def _cause(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]}"
    first_sentence = str(error).split(". ")[0].rstrip(".")
    if isinstance(error, TypeError):
        return f"{first_sentence} (CEL converts nothing by itself: write int(…), double(…) or string(…))"
    return first_sentence


def _missing(key: str | int, value: Any, roots: Roots) -> str:
    if value is roots:
        return f"{key} is not available here"
    if isinstance(value, Mapping | list):
        return f"there is no {key!r}"
    return f"{key!r} cannot be read of {_json_type(value)}"


def _json_type(value: Any) -> str:
    names = {bool: "a boolean", dict: "an object", list: "a list", str: "a text", type(None): "null"}
    return names.get(type(value), "a number")


def _syntax_error(text: str, problem: str) -> ExpressionSyntax:
    match = _CEL_PLACE.search(problem)
    if match is None:
        return ExpressionSyntax(problem, text)
    message = match[3].split(" expecting ")[0].replace("mismatched input '<EOF>'", "the expression ends too early")
    return ExpressionSyntax(message, text, int(match[1]), int(match[2]))
