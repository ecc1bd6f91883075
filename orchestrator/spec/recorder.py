"""Lambdas of a Python spec, called once with recording values, so that what they read becomes CEL.

A recorded value knows its CEL text and how tightly that binds; every operator gives a new one. What Python would have
to decide at once (a branch, a loop, a conversion) cannot be recorded and raises NotPortable.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final, NoReturn

_METHODS: Final = ("contains", "endsWith", "matches", "size", "startsWith")
_PYTHON_METHODS: Final = {"endswith": "endsWith", "startswith": "startsWith"}
_INT64: Final = range(-(2**63), 2**63)
_SELECTABLE: Final = re.compile(r"(?!(?:true|false|null|in)$)[A-Za-z_][A-Za-z0-9_]*")

# An f-string is joined by Python, so a recorded value leaves its CEL text in it between characters that Unicode keeps
# for such uses, with a checksum and both cases, so that whatever changes the text afterwards is noticed.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_MARKED: Final = re.compile(f"{_OPEN}Cel(.*?){_CLOSE}([0-9a-f]+){_CLOSE}", re.DOTALL)


class NotPortable(ValueError):
    """A lambda does what cannot be recorded as an expression; it belongs in an operation."""

    code: ClassVar[str] = "not_portable"

    def __init__(self, problem: str) -> None:
        self.message = f"{problem}; what an expression cannot say belongs in an operation"
        super().__init__(self.message)


def record_value(fn: Callable[..., Any], roots: Collection[str]) -> Any:
    """The JSON value that a lambda describes, with `${…}` where it reads one of the roots."""
    return _template(_call(fn, roots))


def record_condition(fn: Callable[..., Any], roots: Collection[str]) -> str:
    """The bare CEL text of the one expression that a lambda describes."""
    return _code(_call(fn, roots)).text


class _Binds(IntEnum):
    """How tightly CEL binds an expression, from loosest to tightest."""

    OR = 1
    AND = 2
    RELATION = 3
    SUM = 4
    PRODUCT = 5
    UNARY = 6
    MEMBER = 7


@dataclass(frozen=True, slots=True)
class _Code:
    """A CEL text, and how tightly its outermost operator binds."""

    text: str
    binds: _Binds = _Binds.MEMBER

    def within(self, binds: _Binds) -> str:
        """The text as an operand of something that binds as given, in parentheses if they are needed."""
        return self.text if self.binds >= binds else f"({self.text})"


def _code(value: Any) -> _Code:
    """The CEL of an operand: recorded, or a literal."""
    if isinstance(value, Recorded):
        return value.__cel__
    if value is None or isinstance(value, bool):
        return _Code(json.dumps(value))
    if isinstance(value, str):
        if _OPEN in value:
            raise NotPortable(f"the joined text {_readable(value)} is part of an expression: join it with + instead")
        return _Code(json.dumps(value, ensure_ascii=False))
    if (isinstance(value, int) and value in _INT64) or (isinstance(value, float) and math.isfinite(value)):
        return _Code(repr(value))
    if isinstance(value, list | tuple):
        return _Code(f"[{', '.join(_code(one).text for one in value)}]")
    if isinstance(value, Mapping):
        items = (f"{_code(_literal_key(key)).text}: {_code(one).text}" for key, one in value.items())
        return _Code(f"{{{', '.join(items)}}}")
    raise NotPortable(f"an expression has no literal for {_name(value)}")


def _condition(value: Any) -> _Code:
    """The CEL of an operand of & or |; in Python they bind tighter than comparisons, which is easily forgotten."""
    if isinstance(value, Recorded | bool):
        return _code(value)
    raise NotPortable(f"& and | take conditions, not {_name(value)}: write parentheses around comparisons")


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(recorded: Recorded, *_: Any) -> NoReturn:
        raise NotPortable(f"{what} of {recorded.__cel__.text} cannot be recorded")

    return refuse


def _operator(
    sign: str, binds: _Binds, of: Callable[[Any], _Code] | None = None
) -> tuple[Callable[..., Recorded], Callable[..., Recorded]]:
    """The method of a binary operator, and that of the same with its operands the other way round."""
    operand = of or _code

    def joined(left: _Code, right: _Code) -> Recorded:
        return Recorded(_Code(f"{left.within(binds)} {sign} {right.within(_Binds(binds + 1))}", binds))

    def forward(recorded: Recorded, other: Any) -> Recorded:
        return joined(recorded.__cel__, operand(other))

    def backward(recorded: Recorded, other: Any) -> Recorded:
        return joined(operand(other), recorded.__cel__)

    return forward, backward


class Recorded:
    """Stands for a value that is known only when a step runs; reads and operators on it are written down as CEL."""

    __slots__ = ("__cel__",)
    __cel__: _Code

    def __init__(self, code: _Code) -> None:
        self.__cel__ = code

    def __getattr__(self, name: str) -> Recorded:
        if name.startswith("__"):
            raise AttributeError(name)
        return Recorded(_Code(self.__cel__.within(_Binds.MEMBER) + _selection(name)))

    def __getitem__(self, key: Any) -> Recorded:
        if isinstance(key, bool | float | slice | None) or (isinstance(key, int) and key < 0):
            raise NotPortable(f"{self.__cel__.text}[…] takes a name or an index from 0, not {_name(key)}")
        return Recorded(_Code(f"{self.__cel__.within(_Binds.MEMBER)}[{_code(key).text}]"))

    def __call__(self, *args: Any, **kwargs: Any) -> Recorded:
        """A call of the method whose name was read last."""
        receiver, _, name = self.__cel__.text.rpartition(".")
        method = _PYTHON_METHODS.get(name, name)
        if kwargs or method not in _METHODS or not receiver:
            raise NotPortable(f"{self.__cel__.text}(…) cannot be recorded: the methods are {', '.join(_METHODS)}")
        return Recorded(_Code(f"{receiver}.{method}({', '.join(_code(one).text for one in args)})"))

    __add__, __radd__ = _operator("+", _Binds.SUM)
    __sub__, __rsub__ = _operator("-", _Binds.SUM)
    __mul__, __rmul__ = _operator("*", _Binds.PRODUCT)
    __truediv__, __rtruediv__ = _operator("/", _Binds.PRODUCT)
    __mod__, __rmod__ = _operator("%", _Binds.PRODUCT)
    __and__, __rand__ = _operator("&&", _Binds.AND, of=_condition)
    __or__, __ror__ = _operator("||", _Binds.OR, of=_condition)
    __lt__, _ = _operator("<", _Binds.RELATION)
    __le__, _ = _operator("<=", _Binds.RELATION)
    __gt__, _ = _operator(">", _Binds.RELATION)
    __ge__, _ = _operator(">=", _Binds.RELATION)
    __eq__, _ = _operator("==", _Binds.RELATION)  # type: ignore[assignment]  # it records; it does not compare
    __ne__, _ = _operator("!=", _Binds.RELATION)  # type: ignore[assignment]  # see __eq__
    del _

    def __neg__(self) -> Recorded:
        return Recorded(_Code(f"-{self.__cel__.within(_Binds.MEMBER)}", _Binds.UNARY))

    def __invert__(self) -> Recorded:
        return Recorded(_Code(f"!{self.__cel__.within(_Binds.MEMBER)}", _Binds.UNARY))

    def __format__(self, spec: str) -> str:
        if spec:
            raise NotPortable(f"the format {spec!r} of {self.__cel__.text} cannot be recorded")
        return str(self)

    def __str__(self) -> str:
        text = self.__cel__.text
        return f"{_OPEN}Cel{text}{_CLOSE}{zlib.crc32(text.encode()):08x}{_CLOSE}"

    def __repr__(self) -> str:
        return f"{_OPEN}{self.__cel__.text}"  # never a text that could pass for a value's

    def __bool__(self) -> NoReturn:
        raise NotPortable(
            f"`if`, `and`, `or`, `not`, `in` and chained comparisons on {self.__cel__.text} cannot be recorded: "
            "write & for and, | for or, ~ for not, with parentheses around comparisons"
        )

    def __contains__(self, item: Any) -> NoReturn:
        raise NotPortable(f"`in` on {self.__cel__.text} cannot be recorded: write .contains(…) for texts")

    __hash__ = _refusing("a dictionary key or set")
    __iter__ = _refusing("iteration")
    __reversed__ = _refusing("reversed()")
    __len__ = _refusing("len()")
    __int__ = __index__ = _refusing("int()")
    __float__ = _refusing("float()")
    __complex__ = _refusing("complex()")
    __round__ = _refusing("round()")
    __abs__ = _refusing("abs()")
    __floordiv__ = __rfloordiv__ = _refusing("//")
    __pow__ = __rpow__ = _refusing("**")
    __xor__ = __rxor__ = _refusing("^")


def _call(fn: Callable[..., Any], roots: Collection[str]) -> Any:
    """What the function gives for recording values, its arguments chosen by name from the roots."""
    names = list(inspect.signature(fn).parameters)
    for name in names:
        if name not in roots:
            raise NotPortable(f"there is no {name} to read here; the arguments can be {', '.join(sorted(roots))}")
    try:
        return fn(**{name: Recorded(_Code(name)) for name in names})
    except NotPortable:
        raise
    except Exception as error:
        raise NotPortable(f"recording it raised {type(error).__name__}: {_readable(str(error))}") from error


def _template(value: Any) -> Any:
    """A JSON value in which recorded values have become `${…}` and literal `${` is escaped."""
    if isinstance(value, Recorded):
        return f"${{{value.__cel__.text}}}"
    if isinstance(value, str):
        return _joined_text(value)
    if isinstance(value, Mapping):
        return {_literal_key(key): _template(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_template(part) for part in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise NotPortable(f"{_name(value)} is not a JSON value")


def _joined_text(text: str) -> str:
    """A template of a text that Python joined, with its recorded parts as `${…}`."""
    literals_and_codes = _MARKED.split(text)
    for code, checksum in zip(literals_and_codes[1::3], literals_and_codes[2::3], strict=True):
        if int(checksum, 16) != zlib.crc32(code.encode()):
            raise _changed(text)
    parts = []
    for literal, code in zip(literals_and_codes[0::3], [*literals_and_codes[1::3], None], strict=True):
        if _OPEN in literal or _CLOSE in literal:
            raise _changed(text)
        escaped = literal.replace("${", "$${")
        if code is not None:
            # A dollar just before a `${` would escape it, so it is written as an expression of its own.
            bare = escaped.rstrip("$")
            dollars = escaped[len(bare) :]
            escaped = bare + (f'${{"{dollars}"}}' if dollars else "") + f"${{{code}}}"
        parts.append(escaped)
    return "".join(parts)


def _literal_key(key: Any) -> str:
    if not isinstance(key, str):
        raise NotPortable(f"{_name(key)} is the key of an object; keys are texts")
    if _OPEN in key:
        raise NotPortable(f"the key {_readable(key)} depends on a value; keys are literal")
    return key


def _selection(name: str) -> str:
    return f".{name}" if _SELECTABLE.fullmatch(name) else f"[{json.dumps(name, ensure_ascii=False)}]"


def _changed(text: str) -> NotPortable:
    return NotPortable(f"what was done to the joined text {_readable(text)} cannot be recorded")


def _readable(text: str) -> str:
    """The text with what recorded values left in it written as `${…}`."""
    return _MARKED.sub(r"${\1}", text).replace(_OPEN, "").replace(_CLOSE, "")


def _name(value: Any) -> str:
    return value.__cel__.text if isinstance(value, Recorded) else f"{value!r} ({type(value).__name__})"
