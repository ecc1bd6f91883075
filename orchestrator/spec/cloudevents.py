"""CloudEvents 1.0: what an external event consists of, read from the JSON format and from HTTP's binary mode."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orchestrator.errors import InvalidEvent

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
SPECVERSION: Final = "1.0"

_JSON_TYPE: Final = re.compile(r"[^/\s]+/(?:[^;\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+\s*(?:;.*)?")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
_NO_URI: Final = re.compile(r"[\x00-\x20<>\"{}|\\^`\x7f]|%(?![0-9A-Fa-f]{2})")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_EXTENSION: Final = re.compile(r"[a-z0-9]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HEADER: Final = "ce-"
_INT32: Final = 2**31

Problems: TypeAlias = list[dict[str, str]]


def _no_control(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("has a character that no attribute may have")
    return value


def _uri_reference(value: str) -> str:
    if _NO_URI.search(value):
        raise ValueError("is not a URI or a part of one")
    return value


def _uri(value: str) -> str:
    if _NO_URI.search(value) or not _SCHEME.match(value):
        raise ValueError("is not an absolute URI")
    return value


def _moment(value: str) -> str:
    wrong = ValueError("is not an RFC 3339 moment with its offset")
    if not _MOMENT.fullmatch(value):
        raise wrong
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        raise wrong from None
    return value


def _media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise ValueError("is not a media type such as application/json")
    return value


Text = Annotated[str, Field(min_length=1), AfterValidator(_no_control)]


class CloudEvent(BaseModel):
    """One event. Its values are JSON; extensions stand by themselves, under their own names."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    id: Text
    source: Annotated[Text, AfterValidator(_uri_reference)]
    type: Text
    specversion: Literal["1.0"] = SPECVERSION
    time: Annotated[Text, AfterValidator(_moment)] | None = None
    subject: Text | None = None
    datacontenttype: Annotated[Text, AfterValidator(_media_type)] | None = None
    dataschema: Annotated[Text, AfterValidator(_uri)] | None = None
    data: Any = None
    is_base64: bool = False
    """Whether `data` is the Base64 text of bytes that are neither JSON nor text."""
    extensions: Mapping[str, str | int | bool] = Field(default_factory=dict)

    def root(self, arrived: str) -> dict[str, Any]:
        """What expressions see as `event`; without a time of its own, its time is the moment of its arrival."""
        return {
            **self.extensions,
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "time": self.time or arrived,
            "subject": self.subject,
            "data": self.data,
        }

    def to_json(self) -> dict[str, Any]:
        """The event in the JSON format, as `parse_structured` reads it."""
        names = ("id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema")
        attributes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        held = {} if self.data is None else {"data_base64" if self.is_base64 else "data": self.data}
        return {**attributes, **self.extensions, **held}

    def text(self) -> str:
        """The event in the JSON format, as text."""
        return json.dumps(self.to_json(), separators=(",", ":"), ensure_ascii=False)


_ATTRIBUTES: Final = frozenset(CloudEvent.model_fields) - {"data", "is_base64", "extensions"}


def parse_structured(event: str | bytes | Mapping[str, Any]) -> CloudEvent:
    """An event in the JSON format, as text or parsed; InvalidEvent lists every problem."""
    found: Problems = []
    parsed = _one(_loaded(event), "", found)
    return _sound(parsed, found)


def parse_batch(events: str | bytes | Iterable[Any]) -> list[CloudEvent]:
    """Events in the JSON batch format; InvalidEvent lists every problem of every one, and then none is taken."""
    loaded = _loaded(events)
    if not isinstance(loaded, list | tuple):
        raise _refused([_wrong("", "a batch is a JSON list of events")])
    found: Problems = []
    parsed = [_one(event, f"[{index}]", found) for index, event in enumerate(loaded)]
    if found:
        raise _refused(found)
    return [event for event in parsed if event is not None]


def parse_binary(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """An event in HTTP's binary mode: attributes in `ce-` headers, the data as the body; InvalidEvent as above."""
    given = {name.lower(): value.strip() for name, value in headers.items()}
    attributes: dict[str, Any] = {
        name.removeprefix(_HEADER): unquote(_unquoted(value))
        for name, value in given.items()
        if name.startswith(_HEADER)
    }
    found: Problems = []
    if "datacontenttype" in attributes:
        found.append(_wrong("datacontenttype", "belongs in the header Content-Type"))
    attributes.pop("datacontenttype", None)
    if given.get("content-type"):
        attributes["datacontenttype"] = given["content-type"]
    if body:
        _read_bytes(attributes, body, "", found)
    return _sound(_built(attributes, "", found), found)


def is_json(content_type: str | None) -> bool:
    """Whether data of this type is JSON; an event that does not say is."""
    return content_type is None or _JSON_TYPE.fullmatch(content_type) is not None


def _one(event: Any, place: str, found: Problems) -> CloudEvent | None:
    if not isinstance(event, Mapping):
        found.append(_wrong(place, "an event is a JSON object"))
        return None
    given = {str(name): value for name, value in event.items() if value is not None}
    packed = given.pop("data_base64", None)
    if packed is not None and "data" in given:
        found.append(_wrong(_at(place, "data_base64"), "stands beside `data`; an event has one of them"))
    elif packed is not None:
        _unpack(given, packed, place, found)
    return _built(given, place, found)


def _unpack(attributes: dict[str, Any], packed: Any, place: str, found: Problems) -> None:
    try:
        body = base64.b64decode(packed if isinstance(packed, str) else b"!", validate=True)
    except (binascii.Error, ValueError):
        found.append(_wrong(_at(place, "data_base64"), "is not Base64"))
        return
    _read_bytes(attributes, body, place, found)


def _read_bytes(attributes: dict[str, Any], body: bytes, place: str, found: Problems) -> None:
    """Data that came as bytes: JSON and text as what they say, anything else as Base64."""
    content_type = attributes.get("datacontenttype")
    named = content_type if isinstance(content_type, str) else None
    try:
        if is_json(named):
            attributes["data"] = _json(body)
            return
        if str(named).lower().startswith("text/"):
            attributes["data"] = body.decode()
            return
    except (ValueError, RecursionError) as error:
        found.append(_wrong(_at(place, "data"), f"is not {'JSON' if is_json(named) else 'UTF-8'}: {error}"))
        return
    attributes["data"] = base64.b64encode(body).decode()
    attributes["is_base64"] = True


def _built(given: dict[str, Any], place: str, found: Problems) -> CloudEvent | None:
    own = {name: value for name, value in given.items() if name in _ATTRIBUTES}
    data = {name: given[name] for name in ("data", "is_base64") if name in given}
    extensions = {name: value for name, value in given.items() if name not in own and name not in data}
    before = len(found)
    if "specversion" not in own:
        found.append(_wrong(_at(place, "specversion"), "is missing"))
    for name, value in extensions.items():
        if problem := _wrong_extension(name, value):
            found.append(_wrong(_at(place, name), problem))
    if "data" in data and (problem := _wrong_json(data["data"])):
        found.append(_wrong(_at(place, "data"), problem))
    sound = len(found) == before
    try:
        return CloudEvent(**own, **data, extensions=extensions if sound else {})
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            name = str(one["loc"][0]) if one["loc"] else ""
            found.append(_wrong(_at(place, name), _MESSAGES.get(one["type"], one["msg"].removeprefix("Value error, "))))
    return None


_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "string_type": "is not a text",
    "string_too_short": "is empty",
    "literal_error": f"is not {SPECVERSION!r}, the only version that is read",
}


def _wrong_extension(name: str, value: Any) -> str | None:
    if not _EXTENSION.fullmatch(name) or name in {"data", "extensions"}:
        return "is no name of an attribute: they are of lower-case letters and digits"
    if isinstance(value, str):
        return "has a character that no attribute may have" if _CONTROL.search(value) else None
    if isinstance(value, int):
        return None if -_INT32 <= value < _INT32 else "is a number of more than 32 bits"
    return "is neither a text, nor a whole number, nor true or false"


def _wrong_json(value: Any) -> str | None:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    return None


def _loaded(value: Any) -> Any:
    if not isinstance(value, str | bytes):
        return value
    try:
        return _json(value)
    except (ValueError, RecursionError) as error:
        raise _refused([_wrong("", f"not JSON: {error}")]) from error


def _json(text: str | bytes) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"JSON has no {name}")

    return json.loads(text, parse_constant=refuse)


def _unquoted(value: str) -> str:
    """A header's value without the quotes that it may stand in."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _wrong(path: str, message: str) -> dict[str, str]:
    return {"path": path, "message": message}


def _sound(event: CloudEvent | None, found: Problems) -> CloudEvent:
    if event is None or found:
        raise _refused(found)
    return event


def _refused(found: Problems) -> InvalidEvent:
    told = "; ".join(f"`{one['path']}` {one['message']}" if one["path"] else one["message"] for one in found)
    return InvalidEvent(f"no CloudEvent 1.0: {told}", problems=found)
