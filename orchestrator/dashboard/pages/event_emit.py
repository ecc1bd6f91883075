"""The form by which somebody emits an event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.composing import DEFAULT_SOURCE
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import area_field, form, heading, html, text_field
from orchestrator.dashboard.pages.events import PATH
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import to
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import InvalidEvent
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.cloudevents import CloudEvent

_NAMES: Final = ("type", "source", "id", "subject")


async def show(visit: Visit) -> None:
    """The page."""
    visit.first.check_unrestricted()
    html(heading(joined(["Emit an event"])))
    html(tag("p", "Runs that wait for it take it, and triggers that it fits start runs.", class_="lead"))
    types = await visit.ask(_types, visit.first)
    busy = [False]

    async def sent(values: dict[str, str]) -> None:
        if busy[0]:
            return
        busy[0] = True
        try:
            await _emit(visit, values)
        finally:
            busy[0] = False

    with form(NOTHING, sent, class_="start-form") as element:
        element.props("aria-label='Emit an event'")
        html(_fields(visit.query, types))
        html(_buttons(visit))


def _types(caller: Caller) -> list[str]:
    """The types that triggers of what new runs take are for."""
    found: set[str] = set()
    for key in caller.client.registry.workflows():
        for version in caller.client.versions(key):
            if version.takes_percent:
                definition, _ = caller.client.catalogue.published(key, version.version)
                spec = from_canonical(definition.canonical)
                found |= {one.event.type for one in spec.triggers if one.event is not None}
    return sorted(found)


def _fields(query: Mapping[str, str], types: list[str]) -> Markup:
    known = tag("datalist", *(tag("option", value=one) for one in types), id="known-types")
    return tag(
        "div",
        text_field(
            "Type", "type", query.get("type", ""), required=True, list="known-types", placeholder="order.created"
        ),
        text_field("Source", "source", placeholder=DEFAULT_SOURCE, hint="Where it is from, as a URI reference."),
        text_field("Id", "id", hint="Two with one source and id are one. Empty: a new one."),
        text_field("Subject", "subject", hint="What it is about, if that is to be said."),
        tag("div", area_field("Data", "data", hint="JSON. Empty: none.", placeholder="{…}"), class_="wide-field"),
        known,
        class_="fields",
    )


def _buttons(visit: Visit) -> Markup:
    if visit.allows(Role.STARTER):
        emit = tag("button", "Emit", type="submit", class_="primary")
    else:
        emit = tag("button", "Emit", type="button", aria_disabled="true", title="This needs the role starter.")
    back = tag("a", "Back", href=to(PATH), class_="button plain") if visit.allows(Role.OPERATOR) else None
    return tag("div", emit, back, class_="bar")


async def _emit(visit: Visit, values: Mapping[str, str]) -> None:
    def work(caller: Caller) -> CloudEvent:
        caller.check_unrestricted()
        given = {name: values[name].strip() for name in _NAMES if values.get(name, "").strip()}
        return caller.client.events.emit({**given, **_data(values.get("data", ""))})

    event = await visit.act(Role.STARTER, "emit", "events", work, "Taken in")
    if event is not None and visit.allows(Role.OPERATOR):
        visit.go(to(PATH, {"type": event.type}))


def _data(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        return {"data": json.loads(text)}
    except ValueError as error:
        raise InvalidEvent(f"data: this is not JSON: {error}") from error


PAGE = Page(f"{PATH}/emit", "Emit an event", show, parent=PATH, needed=Role.STARTER)
