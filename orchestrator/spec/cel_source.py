"""What a CEL text reads, found in its tokens, because the CEL binding shows no syntax tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from orchestrator.spec.cel_binding import binding

_CONVERSIONS: Final = frozenset(("string", "bytes", "double", "int", "uint", "dyn", "type", "duration", "timestamp"))
_OF_TEXTS: Final = frozenset(("size", "contains", "startsWith", "endsWith", "matches"))
_OF_MOMENTS: Final = frozenset(
    (
        *("getFullYear", "getMonth", "getDate", "getDayOfYear", "getDayOfMonth", "getDayOfWeek"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    )
)
FUNCTIONS: Final = frozenset(("has",)) | _CONVERSIONS | _OF_TEXTS | _OF_MOMENTS
MACROS: Final = frozenset(("all", "exists", "exists_one", "existsOne", "map", "filter"))
_KEYWORDS: Final = frozenset(("true", "false", "null", "in"))
_TYPES: Final = frozenset(("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"))
_GRAMMAR: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"),
        *("namespace", "package", "return", "var", "void", "while"),
    )
)
NOT_ROOTS: Final = _KEYWORDS | _TYPES | _GRAMMAR
"""Names that no root can have, because CEL gives them a meaning of its own."""

_TOKEN: Final = re.compile(
    r"""
    (?P<blank> \s+ | //[^\n]* )
  | (?P<text>
        [bB]?[rR] (?: \"{3}[\s\S]*?\"{3} | '{3}[\s\S]*?'{3} | "[^"\n]*" | '[^'\n]*' )
      | [bB]? (?: \"{3}(?:\\[\s\S]|[^\\])*?\"{3} | '{3}(?:\\[\s\S]|[^\\])*?'{3}
                | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
  | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<number> 0x[0-9a-fA-F]+[uU]? | (?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?[uU]? )
  | (?P<sign> [\s\S] )
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    """One word of a CEL text; `at` is its offset."""

    kind: Literal["text", "name", "number", "sign", "end"]
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class StepRead:
    """One place where an expression reads `steps`: which step, which of its fields (None: the whole record).

    `column` counts characters from the start of the expression, from 1. `guarded` says that the expression also asks
    `has(steps.<step>.<field>)`.
    """

    step: str
    field: str | None
    column: int
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """A root with the literal names and indexes that are selected of it, as far as they go.

    `asked` says that the expression only asks whether it is there: in `has(…)`, or beside `== null` or `!= null`.
    """

    path: tuple[str | int, ...]
    asked: bool


@dataclass(frozen=True, slots=True)
class Reads:
    """What an expression reads; `path` is set if it is nothing but one read, such as `input.lines[0].sku`."""

    roots: frozenset[str]
    chains: tuple[Chain, ...]
    steps: tuple[StepRead, ...]
    computed_step_column: int | None
    path: tuple[str | int, ...] | None


class Refused(ValueError):
    """CEL's grammar takes it, but it can never be evaluated; `at` is the offset."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The words of a CEL text from `start` on, without blanks and comments."""
    for match in _TOKEN.finditer(text, start):
        kind = match.lastgroup
        if kind != "blank":
            yield Token(kind, match.group(), match.start())  # type: ignore[arg-type]  # the group names are the kinds


def reads(text: str) -> Reads:
    """What a text that CEL accepts reads; Refused if it names a function that does not exist."""
    return _Reader(text).read()


class _Reader:
    """One pass over the tokens, keeping the names that macros bind in each open bracket."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._end = Token("end", "", len(text))
        self._bound: list[str | None] = []
        self._roots: set[str] = set()
        self._chains: list[Chain] = []
        self._steps: list[StepRead] = []
        self._guards: set[tuple[str, str | None]] = set()
        self._computed: int | None = None

    def read(self) -> Reads:
        at = 0
        while at < len(self._tokens):
            at = self._take(at)
        steps = tuple(
            StepRead(read.step, read.field, read.column, guarded=_same(read.step, read.field) in self._guards)
            for read in self._steps
        )
        return Reads(frozenset(self._roots), tuple(self._chains), steps, self._computed, self._path())

    def _peek(self, at: int) -> Token:
        return self._tokens[at] if 0 <= at < len(self._tokens) else self._end

    def _take(self, at: int) -> int:
        """Note the token at `at`, and give where to go on."""
        token = self._tokens[at]
        if token.kind == "name":
            return self._take_name(at, token)
        if token.kind == "sign":
            if token.text in "([{":
                self._bound.append(None)
            elif token.text in ")]}" and self._bound:
                self._bound.pop()
        return at + 1

    def _take_name(self, at: int, token: Token) -> int:
        selected = self._peek(at - 1).text == "."
        if selected and not self._ends_operand(at - 2):
            raise Refused("a name cannot begin with a dot", token.at - 1)
        if self._peek(at + 1).text == "(":
            return self._open_call(at, token, selected=selected)
        if not selected and token.text not in _KEYWORDS | _TYPES and token.text not in self._bound:
            self._roots.add(token.text)
            self._note_chain(at, token)
            if token.text == "steps":
                self._note_step(at, token)
        return at + 1

    def _open_call(self, at: int, token: Token, *, selected: bool) -> int:
        variable = self._peek(at + 2)
        if selected and token.text in MACROS and variable.kind == "name" and self._peek(at + 3).text == ",":
            self._bound.append(variable.text)
            return at + 4
        if token.text not in FUNCTIONS:
            raise Refused(f"there is no function {token.text}", token.at)
        return at + 1

    def _ends_operand(self, at: int) -> bool:
        token = self._peek(at)
        return token.kind in ("text", "name", "number") or token.text in (")", "]", "}")

    def _note_chain(self, at: int, token: Token) -> None:
        path: list[str | int] = [token.text]
        key, end = self._selection(at + 1)
        while key is not None:
            path.append(key)
            key, end = self._selection(end)
        in_has = [self._peek(at - 2).text, self._peek(at - 1).text, self._peek(end).text] == ["has", "(", ")"]
        compared = "".join(self._peek(end + n).text for n in range(3)) in ("==null", "!=null")
        self._chains.append(Chain(tuple(path), asked=in_has or compared))

    def _note_step(self, at: int, token: Token) -> None:
        step, after = self._selection(at + 1)
        if not isinstance(step, str):
            self._computed = self._computed or token.at + 1
            return
        field, end = self._selection(after)
        if not isinstance(field, str):
            field, end = None, after
        self._steps.append(StepRead(step, field, token.at + 1))
        if [self._peek(at - 2).text, self._peek(at - 1).text, self._peek(end).text] == ["has", "(", ")"]:
            self._guards.add(_same(step, field))

    def _selection(self, at: int) -> tuple[str | int | None, int]:
        """The literal name or index that is selected at `at`, if one is, and where what follows it begins."""
        first, second, third = (self._peek(at + n) for n in range(3))
        if first.text == "." and second.kind == "name" and third.text != "(":
            return second.text, at + 2
        if first.text == "[" and third.text == "]":
            if second.kind == "text":
                literal = binding().compile(second.text).execute({})
                return (literal, at + 3) if isinstance(literal, str) else (None, at)
            if second.kind == "number" and second.text.isdecimal():
                return int(second.text), at + 3
        return None, at

    def _path(self) -> tuple[str | int, ...] | None:
        if self._peek(0).text not in self._roots:
            return None
        path: list[str | int] = [self._tokens[0].text]
        at = 1
        while at < len(self._tokens):
            key, at = self._selection(at)
            if key is None:
                return None
            path.append(key)
        return tuple(path)


def _same(step: str, field: str | None) -> tuple[str, str | None]:
    return step.replace("-", "_"), field
