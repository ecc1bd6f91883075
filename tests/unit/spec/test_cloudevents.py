from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InvalidEvent
from orchestrator.spec.cloudevents import CloudEvent, parse_batch, parse_binary, parse_structured

LEAST = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created"}
ARRIVED = "2026-01-01T00:00:00.000Z"


def refused(parse: Callable[..., Any], *given: Any) -> dict[str, str]:
    """The problems that are told, by path."""
    with pytest.raises(InvalidEvent) as caught:
        parse(*given)
    return {problem["path"]: problem["message"] for problem in caught.value.details["problems"]}


def test_an_event_needs_four_attributes() -> None:
    """All that are missing are told at once."""
    assert parse_structured(LEAST).to_json() == LEAST
    assert refused(parse_structured, {"data": 1}) == dict.fromkeys(
        ("specversion", "id", "source", "type"), "is missing"
    )


def test_expressions_see_the_event_with_its_extensions() -> None:
    """Each under its own name; what is not there is null, but the time is that of the arrival."""
    event = parse_structured({**LEAST, "data": {"total": 3}, "tenant": "a", "hops": 2})

    assert event.root(ARRIVED) == {
        "id": "1",
        "type": "order.created",
        "source": "/shop",
        "time": ARRIVED,
        "subject": None,
        "data": {"total": 3},
        "tenant": "a",
        "hops": 2,
    }


def test_a_time_of_its_own_stays() -> None:
    """As it was written, with its offset."""
    event = parse_structured({**LEAST, "time": "2026-01-01T09:00:00.123456789+09:00"})

    assert event.root(ARRIVED)["time"] == "2026-01-01T09:00:00.123456789+09:00"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("id", ""),
        ("id", 7),
        ("type", "a\nb"),
        ("source", "no uri"),
        ("source", "/%zz"),
        ("specversion", "0.3"),
        ("time", "yesterday"),
        ("time", "2026-01-01T00:00:00"),
        ("time", "2026-02-30T00:00:00Z"),
        ("subject", ""),
        ("datacontenttype", "json"),
        ("dataschema", "relative/schema"),
        ("Tenant", "upper case"),
        ("tenant_id", "an underscore"),
        ("hops", 2**31),
        ("weight", 1.5),
        ("nested", {}),
        ("data", float("nan")),
        ("data", "\ud800"),
        ("data_base64", "?"),
        ("data_base64", 3),
    ],
)
def test_what_is_wrong_is_named(attribute: str, value: Any) -> None:
    """By the attribute, and only that."""
    named = "data" if attribute == "data" else attribute

    assert list(refused(parse_structured, {**LEAST, attribute: value})) == [named]


def test_null_is_as_if_it_were_not_there() -> None:
    """Some producers write out every attribute."""
    assert parse_structured({**LEAST, "subject": None, "time": None, "data": None}).to_json() == LEAST


@pytest.mark.parametrize(
    ("content_type", "packed", "data", "is_base64"),
    [
        (None, "eyJhIjoxfQ==", {"a": 1}, False),
        ("application/vnd.shop+json", "eyJhIjoxfQ==", {"a": 1}, False),
        ("text/plain", "aGk=", "hi", False),
        ("image/png", "//4=", "//4=", True),
    ],
)
def test_packed_data_is_read_as_what_it_says(content_type: str | None, packed: str, data: Any, is_base64: bool) -> None:
    """JSON and text are unpacked; other bytes stay Base64, and go out as such."""
    named = {"datacontenttype": content_type} if content_type else {}
    event = parse_structured({**LEAST, **named, "data_base64": packed})

    assert (event.data, event.is_base64) == (data, is_base64)
    assert parse_structured(event.text()) == event


def test_packed_data_that_is_not_what_it_says_is_refused() -> None:
    """And so is data that comes twice."""
    assert list(refused(parse_structured, {**LEAST, "data_base64": "aGk="})) == ["data"]
    assert list(refused(parse_structured, {**LEAST, "data": 1, "data_base64": "MQ=="})) == ["data_base64"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", b"\xff", '{"id": NaN}', "[" * 100_000])
def test_what_is_no_json_object_is_no_event(text: str | bytes) -> None:
    """One problem, of the whole."""
    assert list(refused(parse_structured, text)) == [""]


def test_a_batch_is_taken_as_a_whole() -> None:
    """Every problem of every event is told, with its place."""
    assert [event.id for event in parse_batch(json.dumps([LEAST, {**LEAST, "id": "2"}]))] == ["1", "2"]
    assert parse_batch("[]") == []
    wrong = [LEAST, {**LEAST, "id": ""}, 3]
    assert list(refused(parse_batch, json.dumps(wrong))) == ["[1].id", "[2]"]
    assert list(refused(parse_batch, json.dumps(LEAST))) == [""]


def test_binary_mode_has_its_attributes_in_headers() -> None:
    """Names in any case, values percent-encoded or quoted; other headers are none of ours."""
    headers = {
        "CE-Id": "1",
        "ce-source": '"/shop"',
        "ce-type": "order.created",
        "Ce-SpecVersion": "1.0",
        "ce-subject": "Euro%20%E2%82%AC",
        "Content-Type": "application/json; charset=utf-8",
        "Host": "localhost",
    }

    event = parse_binary(headers, b'{"total": 3}')

    assert (event.source, event.subject, event.data) == ("/shop", "Euro €", {"total": 3})
    assert event.datacontenttype == "application/json; charset=utf-8"


def test_binary_mode_tells_every_problem() -> None:
    """Of headers and body together."""
    headers = {"ce-id": "1", "ce-type": "t", "ce-specversion": "1.0", "ce-datacontenttype": "text/plain"}

    assert list(refused(parse_binary, headers, b"{")) == ["datacontenttype", "data", "source"]


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.from_regex(r"x[a-z0-9]{1,10}", fullmatch=True)
PLAIN = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1).filter(str.strip)


@given(
    data=st.dictionaries(PLAIN, DATA, max_size=3), subject=PLAIN, extensions=st.dictionaries(NAMES, PLAIN, max_size=3)
)
def test_what_the_official_sdk_sends_is_read(data: dict[str, Any], subject: str, extensions: dict[str, str]) -> None:
    """Structured and binary mode give the same event."""
    attributes = {**LEAST, "subject": subject, "datacontenttype": "application/json", **extensions}
    sent = SdkEvent(attributes=attributes, data=data)

    structured = parse_structured(to_structured_event(sent).body)
    message = to_binary_event(sent)
    binary = parse_binary(message.headers, message.body)

    assert structured == binary
    assert (structured.subject, structured.data, structured.extensions) == (subject, data, extensions)
    assert parse_structured(structured.text()) == structured


@given(st.recursive(DATA | st.sampled_from(sorted(LEAST)), lambda inner: st.dictionaries(st.text(), inner)))
def test_nothing_but_an_event_or_its_problems_comes_out(value: Any) -> None:
    """Whatever JSON is given, there is no other error."""
    with suppress(InvalidEvent):
        assert isinstance(parse_structured(json.dumps(value)), CloudEvent)
