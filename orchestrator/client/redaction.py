"""Redaction: values at paths such as `input.card.number` or `**.password`, masked on every way out.

What a run holds stays as it is. A path is followed from a root (`input`, `ctx`, `steps.ID.output`, `output`, `error`);
`*` is any one part, `**` any number of them, and the elements of a list need no part of their own. A masked value is
also masked where it has been copied to: in other outputs, in errors, in messages. Too short a value (under four
characters) is masked at its path only, because it would be found everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MASK: Final = "[redacted]"
SHORTEST_COPY: Final = 4

_ANY: Final = "*"
_DEEP: Final = "**"
_STEPS: Final = "steps"

Pattern = tuple[str, ...]
_States = frozenset[Pattern]
"""What is left to match of the patterns; an empty one has matched."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """The paths that are masked."""

    patterns: frozenset[Pattern] = frozenset()

    @staticmethod
    def of(*paths: str) -> Redaction:
        """From paths as they are written."""
        return Redaction(frozenset(_parts(path) for path in paths))

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def hides(self, *at: str) -> bool:
        """Whether what stands at that path, or around it, is masked."""
        states = _closed(self.patterns)
        for part in _normal(at):
            if () in states:
                return True
            states = _advanced(states, part)
        return () in states

    def masked(self, value: Any, *at: str) -> Any:
        """The value that stands at that path, with the mask where a path leads."""
        return _masked(value, self._states(at)) if self else value

    def hidden(self, value: Any, *at: str) -> frozenset[str]:
        """The texts and numbers that are masked in the value at that path, as texts, if they are long enough."""
        return frozenset(_texts(_hidden(value, self._states(at)))) if self else frozenset()

    def _states(self, at: Iterable[str]) -> _States:
        states = _closed(self.patterns)
        for part in _normal(tuple(at)):
            if () in states:
                break
            states = _advanced(states, part)
        return states


def mask_of_lines(*paths: str) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """What hides of log lines whatever bears the last name of a path, however deep; None without paths.

    Lines have fields of their own, so where the value stood in the run cannot be told.
    """
    named = ([part for part in path.split(".") if part not in (_ANY, _DEEP)] for path in paths)
    ends = {parts[-1] for parts in named if parts}
    if not paths:
        return None
    redaction = Redaction.of(*paths, *(f"{_DEEP}.{end}" for end in ends))
    return lambda line: {name: _masked(value, redaction._states((name,))) for name, value in line.items()}  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Mask:
    """The redaction of one run, with the values that it hides there."""

    redaction: Redaction = Redaction()
    copies: re.Pattern[str] | None = None

    @staticmethod
    def of(redaction: Redaction, hidden: Iterable[str]) -> Mask:
        """Hide these texts wherever they occur."""
        longest_first = sorted({form for text in hidden for form in _forms(text)}, key=lambda text: (-len(text), text))
        return Mask(redaction, re.compile("|".join(map(re.escape, longest_first))) if longest_first else None)

    def value(self, value: Any, *at: str) -> Any:
        """The value that stands at that path, as it may be shown."""
        return self._without_copies(self.redaction.masked(value, *at))

    def text(self, text: str) -> str:
        """A message, as it may be shown."""
        return text if self.copies is None else self.copies.sub(MASK, text)

    def _without_copies(self, value: Any) -> Any:
        if self.copies is None:
            return value
        match value:
            case str():
                return self.copies.sub(MASK, value)
            case bool() | None:
                return value
            case int() | float():
                return MASK if self.copies.fullmatch(_number(value)) else value
            case Mapping():
                return {self.text(str(name)): self._without_copies(inner) for name, inner in value.items()}
            case list() | tuple():
                return [self._without_copies(inner) for inner in value]
        return value


def _masked(value: Any, states: _States) -> Any:
    if () in states:
        return MASK
    match value:
        case Mapping():
            return {name: _masked(inner, _advanced(states, str(name))) for name, inner in value.items()}
        case list() | tuple():
            return [_masked(inner, states | _advanced(states, str(index))) for index, inner in enumerate(value)]
    return value


def _hidden(value: Any, states: _States) -> Iterator[Any]:
    if () in states:
        yield value
        return
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from _hidden(inner, _advanced(states, str(name)))
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from _hidden(inner, states | _advanced(states, str(index)))


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """The scalars in the values that are long enough to be looked for elsewhere."""
    for value in values:
        match value:
            case bool() | None:
                continue
            case Mapping():
                yield from _texts(value.values())
            case list() | tuple():
                yield from _texts(value)
            case str() if len(value) >= SHORTEST_COPY:
                yield value
            case int() | float() if len(_number(value)) >= SHORTEST_COPY:
                yield _number(value)


def _forms(text: str) -> set[str]:
    """A text as it is, and as it is quoted in messages."""
    return {text, repr(text)[1:-1], json.dumps(text)[1:-1]}


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else str(value)  # noqa: PLR2004


def _parts(path: str) -> Pattern:
    return _normal(tuple(path.split(".")))


def _normal(parts: tuple[str, ...]) -> tuple[str, ...]:
    """A step's id, in which `-` and `_` are one."""
    if len(parts) > 1 and parts[0] == _STEPS:
        return (_STEPS, parts[1].replace("-", "_"), *parts[2:])
    return parts


def _advanced(states: _States, part: str) -> _States:
    """What is left to match behind one more part."""
    following = set()
    for state in states:
        if not state:
            continue
        if state[0] == _DEEP:
            following.add(state)
        elif state[0] in (_ANY, part):
            following.add(state[1:])
    return _closed(following)


def _closed(states: Iterable[Pattern]) -> _States:
    """With what is left if a `**` is no part at all."""
    found = set(states)
    for state in states:
        rest = state
        while rest and rest[0] == _DEEP:
            rest = rest[1:]
            found.add(rest)
    return frozenset(found)
