"""The field types that every model of a spec is made of: durations, data with expressions, schemas, references."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.spec.operations import Operation, parse_reference
from orchestrator.spec.recorder import NotPortable, record_condition, record_value

CANONICAL = "canonical"
"""Validation context of canonical JSON, where every duration is a bare integer."""

ROOTS = frozenset({"input", "ctx", "run", "steps", "item", "index", "event", "error", "undo"})
ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
DOTTED_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9][A-Za-z0-9_-]*)+")
MAX_WHOLE_NUMBER = 2**53 - 1
SECOND_MS = 1000

_PERCENT = re.compile(r"(?:100(?:\.0+)?|[0-9]{1,2}(?:\.[0-9]+)?)%")
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


class BareMilliseconds(timedelta):
    """A duration under a second that was written as an integer, which more often than not was meant in seconds."""


def snake_case(name: str) -> str:
    """`onSuccess` as `on_success`."""
    return _CAMEL.sub(lambda match: f"_{match.group(1).lower()}", name)


class SpecModel(BaseModel):
    """A part of a spec: immutable, no unknown fields, names in snake_case or camelCase, every problem reported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    other_names: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def long_form(cls, data: Any) -> Any:
        """What a short form (a text, a list) stands for; anything else as it is."""
        return data

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        data = cls.long_form(data)
        if not isinstance(data, Mapping):
            return handler(data)
        fields, problems = cls._our_names(data)
        model = None
        try:
            model = handler(fields)
        except ValidationError as error:
            problems += [
                _problem(found["type"], found["msg"], found["loc"], found["input"])
                for found in error.errors(include_url=False, include_context=False)
            ]
        if problems or model is None:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return model

    @classmethod
    def _our_names(cls, data: Mapping[Any, Any]) -> tuple[dict[str, Any], list[InitErrorDetails]]:
        fields: dict[str, Any] = {}
        problems = []
        for written, value in data.items():
            name = snake_case(str(written))
            name = cls.other_names.get(name, name)
            if name not in cls.model_fields:
                near = get_close_matches(name, cls.model_fields, n=1, cutoff=0)
                message = f"there is no field `{written}` here; the nearest is `{near[0]}`"
                problems.append(_problem("unknown_field", message, (str(written),), value))
            elif name in fields:
                problems.append(_problem("duplicate_key", f"`{name}` is given twice", (str(written),), value))
            else:
                fields[name] = value
        return fields, problems


def _problem(rule: str, message: str, place: tuple[int | str, ...], value: Any) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(rule, message), loc=place, input=value)


def read_duration(value: Any, info: ValidationInfo) -> timedelta:
    """A duration in any of its forms."""
    if isinstance(value, BareMilliseconds):
        return value
    try:
        duration = parse_duration(value)
    except ValueError as error:
        raise PydanticCustomError("invalid_duration", str(error)) from error
    if type(value) is int and 0 < value < SECOND_MS and info.context != CANONICAL:
        return BareMilliseconds(milliseconds=value)
    return duration


def _positive(value: Any, info: ValidationInfo) -> timedelta:
    duration = read_duration(value, info)
    if duration <= timedelta(0):
        raise PydanticCustomError("invalid_duration", "this duration must be more than nothing")
    return duration


_as_milliseconds = PlainSerializer(milliseconds, return_type=int)
Duration = Annotated[timedelta, PlainValidator(read_duration), _as_milliseconds]
PositiveDuration = Annotated[timedelta, PlainValidator(_positive), _as_milliseconds]


def is_percentage(value: Any) -> bool:
    """True of `"80%"`."""
    return isinstance(value, str) and _PERCENT.fullmatch(value) is not None


def _duration_or_percentage(value: Any, info: ValidationInfo) -> timedelta | str:
    return str(value) if is_percentage(value) else _positive(value, info)


def _as_written(value: timedelta | str) -> int | str:
    return value if isinstance(value, str) else milliseconds(value)


DurationOrPercentage = Annotated[
    timedelta | str, PlainValidator(_duration_or_percentage), PlainSerializer(_as_written, return_type=int | str)
]


def _read_data(value: Any) -> Any:
    """JSON as it is, with lambdas recorded; a tuple becomes a list."""
    match value:
        case str():
            return _unicode(value)
        case int() if abs(value) > MAX_WHOLE_NUMBER:
            raise PydanticCustomError("number_out_of_range", "JSON cannot carry this number exactly; write it as text")
        case None | bool() | int() | float() if not isinstance(value, float) or math.isfinite(value):
            return value
        case Mapping():
            return {_data_name(name): _read_data(member) for name, member in value.items()}
        case list() | tuple():
            return [_read_data(member) for member in value]
    if callable(value) and not isinstance(value, type):
        return _recorded(record_value, value)
    raise PydanticCustomError(
        "not_json", f"a {type(value).__name__} is not JSON; use text, a number, a list or a mapping"
    )


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("not_json", f"{text!r} is not a Unicode text: half of a surrogate pair") from error
    return text


def _data_name(name: Any) -> str:
    if not isinstance(name, str):
        raise PydanticCustomError("not_json", f"the name {name!r} must be a text; put it in quotes")
    return _unicode(name)


def _recorded(record: Callable[[Callable[..., Any], frozenset[str]], Any], function: Callable[..., Any]) -> Any:
    """What the lambda computes. The roots of its place are judged by the lint, which knows the place."""
    try:
        return record(function, ROOTS | set(inspect.signature(function).parameters))
    except NotPortable as error:
        raise PydanticCustomError("not_portable", str(error)) from error


def _read_mapping_or_text(value: Any) -> Any:
    data = _read_data(value)
    if not isinstance(data, dict | str):
        raise PydanticCustomError("invalid_value", "this must be a mapping or one expression `${…}`")
    return data


def _read_bare(value: Any) -> Any:
    """A bare CEL expression; a plain true or false is one too."""
    if isinstance(value, bool):
        return str(value).lower()
    if callable(value):
        return _recorded(record_condition, value)
    return value


def _read_text(value: Any) -> Any:
    """A text that may contain `${…}`, or a lambda that computes it."""
    return _recorded(record_value, value) if callable(value) else value


def _one_or_several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _templates(value: Any) -> Any:
    return _one_or_several(_read_text(value))


def _read_reference(value: Any) -> Any:
    if isinstance(value, Operation):
        return value.key
    if isinstance(value, str):
        try:
            parse_reference(value)
        except ValueError as error:
            raise PydanticCustomError("invalid_operation", str(error)) from error
    return value


def _read_schema(value: Any) -> Any:
    if isinstance(value, type) and issubclass(value, BaseModel):
        value = value.model_json_schema(by_alias=True, mode="validation")
    if not isinstance(value, Mapping):
        raise PydanticCustomError("invalid_schema", "this must be a JSON Schema (a mapping) or a pydantic model")
    import jsonschema  # noqa: PLC0415  # a large import, for specs that have a schema

    schema = _read_data(value)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise PydanticCustomError("invalid_schema", f"not a JSON Schema 2020-12: {error.message}") from error
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise PydanticCustomError("invalid_schema", f"`$ref: {reference}` leads outside; only `#/…` is followed")
    return schema


def _references(schema: Any) -> list[str]:
    if isinstance(schema, Mapping):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [found for member in schema.values() for found in _references(member)]
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [found for member in schema for found in _references(member)]
    return []


Data = Annotated[Any, BeforeValidator(_read_mapping_or_text)]
"""A mapping or one expression; `${…}` inside texts at any depth."""

Bare = Annotated[str, BeforeValidator(_read_bare)]
"""A CEL expression, not wrapped in `${…}`."""

Template = Annotated[str, BeforeValidator(_read_text)]
"""A text in which `${…}` is computed."""

Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_several)]
Bares = Annotated[tuple[Bare, ...], BeforeValidator(_one_or_several)]
Templates = Annotated[tuple[Template, ...], BeforeValidator(_templates)]
Reference = Annotated[str, BeforeValidator(_read_reference)]
Schema = Annotated[dict[str, Any], BeforeValidator(_read_schema)]
Priority = Annotated[int, Field(strict=True, ge=0, le=9)]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]
