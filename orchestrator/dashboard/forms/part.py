"""A form of a schema in a page: fields, or the same as JSON, whichever whoever fills it in likes better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui
from nicegui.events import GenericEventArguments

from orchestrator.dashboard.forms.drawing import draw_fields
from orchestrator.dashboard.forms.shape import MISSING, Kind, Schema, Shape, shape_of
from orchestrator.dashboard.forms.values import Problem, can_say, gather, spread
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.notices import problem
from orchestrator.dashboard.look.parts import html
from orchestrator.errors import InvalidRequest

_VALUES: Final = '(e) => emit(Object.fromEntries(new FormData(e.target.closest("form"))))'


class SchemaForm:
    """Stands within a form of the page; `read` takes what that form sent."""

    def __init__(
        self, title: str, schema: Schema | None, name: str, value: Any = MISSING, *, hint: Markup | str = ""
    ) -> None:
        self.name = name
        self.fields = replace(shape_of(schema), title=title)
        self.text = Shape(Kind.JSON, {}, title, required=True)
        can = self.fields.kind is not Kind.JSON
        self.shape = self.fields if can and (value is MISSING or can_say(self.fields, value, name)) else self.text
        self.flat: Mapping[str, str] = spread(self.shape, value, name)
        with ui.element("section").classes("schema-form"):
            with ui.element("div").classes("heading"):
                html(joined([title]), name="h2")
                if can:
                    self._button()
            if hint:
                html(tag("p", hint, class_="hint"))
            self.box = html(NOTHING)
        self.put(())

    def read(self, values: Mapping[str, str]) -> tuple[Any, list[dict[str, str]]]:
        """The value of what was sent, MISSING if nothing was given, and what of it is no JSON."""
        self.flat = values
        return gather(self.shape, values, self.name)

    def put(self, problems: Iterable[Problem]) -> None:
        """Show what was read last, with what is wrong with it."""
        self.box.set_content(draw_fields(self.shape, self.flat, self.name, problems))

    def _button(self) -> None:
        with ui.element("button").props("type=button").classes("plain push") as button:
            self.word = html(joined([self._other]), name="span")
        button.on("click", self._turn, js_handler=_VALUES)

    @property
    def _other(self) -> str:
        return "Write it as JSON" if self.shape is self.fields else "Fill in the form"

    def _turn(self, event: GenericEventArguments) -> None:
        """From fields to JSON and back; nothing is lost on the way."""
        value, problems = self.read(dict(event.args))
        other = self.text if self.shape is self.fields else self.fields
        if problems:
            self.put(problems)
            return
        if other is self.fields and value is not MISSING and not can_say(other, value, self.name):
            problem(InvalidRequest("the form has no field for some of this; it is kept as JSON"))
            return
        self.shape, self.flat = other, spread(other, value, self.name)
        self.put(())
        self.word.set_content(joined([self._other]))
