"""The fields of a form as HTML: labels, hints, and beside each field what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup

from orchestrator.dashboard.forms.shape import MISSING, Kind, Shape
from orchestrator.dashboard.forms.values import (
    HERE,
    Flat,
    Problem,
    can_be_left_out,
    inside,
    is_box,
    items_of,
    spread,
)
from orchestrator.dashboard.look.markup import Child, joined, tag

_LONG: Final = 200
"""Texts that may be longer than this have several lines."""
_FEWEST_ROWS: Final = 4
_MOST_ROWS: Final = 24
_INPUTS: Final[Mapping[str, str]] = {"date": "date", "email": "email", "uri": "url", "time": "text"}
"""Format → type of the input; browsers check nothing, as the form is sent as it is."""
_EXAMPLES: Final[Mapping[str, str]] = {
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT30S",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def draw_fields(shape: Shape, flat: Flat, name: str, problems: Iterable[Problem] = ()) -> Markup:
    """The fields of a whole form, filled in with `flat`; problems stand where their paths lead."""
    drawing = _Drawing(flat, tuple(problems))
    if shape.kind is not Kind.OBJECT:
        return drawing.field(shape, name, name, 0)
    return joined([drawing.wrong(name, shape), drawing.inner(shape, name, name, 0)])


def field_id(name: str) -> str:
    """The id of a field's element."""
    return f"field-{quote(name, safe='')}"


@dataclass(frozen=True, slots=True)
class _Drawing:
    flat: Flat
    problems: Sequence[Problem]

    def inner(self, shape: Shape, name: str, path: str, level: int) -> Markup:
        """The fields of an object."""
        drawn = [self.field(one, inside(name, key), f"{path}.{key}", level, key) for key, one in shape.fields]
        return tag("div", *drawn, class_="fields")

    def field(self, shape: Shape, name: str, path: str, level: int, key: str = "") -> Markup:
        """One value: a control, a group of fields, or a list."""
        if shape.kind is Kind.OBJECT:
            return self._group(shape, name, path, level, key)
        if shape.kind is Kind.LIST:
            return self._list(shape, name, path, level, key)
        wrong = self.wrong(path, shape)
        said = said_of(shape)
        hint = tag("small", said, id=f"{field_id(name)}-hint") if said else None
        described = [f"{field_id(name)}-{one}" for one, there in (("hint", hint), ("wrong", wrong)) if there]
        control = self._control(shape, name, " ".join(described) or None, bad=bool(wrong))
        label = tag("label", *_label(shape, key), for_=field_id(name))
        if shape.kind is Kind.FLAG and is_box(shape):
            return tag("div", tag("div", control, label, class_="tick"), hint, _at(wrong, name), class_="field flag")
        wide = " wide-field" if shape.kind is Kind.JSON or _is_long(shape) else ""
        return tag("div", label, control, hint, _at(wrong, name), class_=f"field{wide}")

    def wrong(self, path: str, shape: Shape) -> Markup | None:
        """What is wrong with the value at that path, and for JSON, within it."""
        found = [
            one["message"] if one["path"] == path or shape.kind is not Kind.JSON else f"{one['path']}: {one['message']}"
            for one in self.problems
            if self._is_of(one, path, shape)
        ]
        return joined((tag("small", one, class_="wrong") for one in found), "") if found else None

    def _is_of(self, problem: Problem, path: str, shape: Shape) -> bool:
        """A missing property is told of the object around it, and shown where its field is."""
        at, message = problem["path"], problem["message"]
        if at == path:
            return not any(_tells_missing(message, key) for key, _ in shape.fields)
        if shape.kind is Kind.JSON:
            return at.startswith((f"{path}.", f"{path}["))
        around, _, key = path.rpartition(".")
        return bool(key) and at == around and _tells_missing(message, key)

    def _control(self, shape: Shape, name: str, described: str | None, *, bad: bool) -> Markup:
        value = self.flat.get(name, "")
        common: dict[str, Any] = {
            "id": field_id(name),
            "name": name,
            "aria_describedby": described,
            "aria_invalid": "true" if bad else None,
            "aria_required": "true" if shape.required and not is_box(shape) else None,
        }
        if shape.kind is Kind.FLAG and is_box(shape):
            return tag("input", type="checkbox", value="true", checked=value == "true", **common)
        if shape.kind in (Kind.FLAG, Kind.CHOICE):
            choices = shape.choices or (("true", "yes"), ("false", "no"))
            return tag("select", *_options(shape, choices, value), **common)
        if shape.kind is Kind.JSON or _is_long(shape):
            place = {"placeholder": "{…}"} if shape.kind is Kind.JSON else {}
            rows = min(max(_FEWEST_ROWS, value.count("\n") + 2), _MOST_ROWS)
            return tag("textarea", value, rows=rows, spellcheck="false", **place, **common)
        form = str(shape.schema.get("format") or "")
        return tag(
            "input",
            type=_INPUTS.get(form, "text") if shape.kind is Kind.TEXT else "text",
            inputmode="decimal" if shape.kind is Kind.NUMBER else None,
            value=value,
            placeholder=_EXAMPLES.get(form) or _example(shape),
            autocomplete="off",
            spellcheck="false",
            **common,
        )

    def _group(self, shape: Shape, name: str, path: str, level: int, key: str) -> Markup:
        box = None
        if can_be_left_out(shape):
            given = self.flat.get(name) == HERE
            box = tag("input", type="checkbox", id=field_id(name), name=name, value=HERE, checked=given)
        words = joined(_label(shape, key))
        legend = tag("legend", tag("label", box, words) if box else words)
        hint = tag("small", shape.hint) if shape.hint else None
        inner = self.inner(shape, name, path, level)
        return tag("fieldset", legend, hint, _at(self.wrong(path, shape), name), inner, class_="group")

    def _list(self, shape: Shape, name: str, path: str, level: int, key: str) -> Markup:
        item = shape.item
        if item is None:
            return Markup("")
        title = shape.title or key or "items"
        items = [
            self._item(item, title, name, index, f"{path}[{place}]", level)
            for place, index in enumerate(items_of(name, self.flat))
        ]
        blank = f"__{level}__"
        draft = _Drawing(spread(item, MISSING, inside(name, blank)), ())
        template = tag("template", draft._item(item, title, name, blank, f"{path}[]", level + 1))
        add = tag(
            "button",
            "Add",
            tag("span", f" to {title}", class_="unseen"),
            type="button",
            data_add_item=blank,
            class_="add",
        )
        return tag(
            "fieldset",
            tag("legend", *_label(shape, key)),
            tag("small", said_of(shape)) if said_of(shape) else None,
            _at(self.wrong(path, shape), name),
            tag("ol", *items, class_="items"),
            template,
            add,
            class_="group list",
        )

    def _item(self, item: Shape, title: str, name: str, index: int | str, path: str, level: int) -> Markup:
        mark = tag("input", type="hidden", name=f"{name}#{index}", value=HERE)
        from_what = tag("span", f" from {title}", class_="unseen")
        remove = tag("button", "Remove", from_what, type="button", class_="plain", data_remove_item=True)
        inner = (
            self._bare(item, inside(name, index), path, level)
            if item.kind is Kind.OBJECT
            else self.field(item, inside(name, index), path, level, item.title or title)
        )
        return tag("li", mark, tag("div", inner, class_="inside"), remove)

    def _bare(self, item: Shape, name: str, path: str, level: int) -> Markup:
        """The fields of an object in a list, which needs no frame of its own."""
        return joined([_at(self.wrong(path, item), name), self.inner(item, name, path, level)])


def _at(wrong: Markup | None, name: str) -> Markup | None:
    return tag("div", wrong, id=f"{field_id(name)}-wrong", class_="wrongs") if wrong else None


def _label(shape: Shape, key: str) -> Sequence[Child]:
    """The title, the name where that is another, the type, and whether it must be given."""
    title = shape.title or key or "value"
    name = joined([" ", tag("code", key)]) if key and key != title else None
    kind = joined([" ", tag("span", shape.type_name, class_="type")]) if shape.type_name else None
    needed = joined([" ", tag("span", "required", class_="needed")]) if shape.required and key else None
    return [tag("b", title), name, kind, needed]


def said_of(shape: Shape) -> str:
    """The description, the bounds, and what is taken where nothing is given."""
    schema = shape.schema
    bounds = [
        words.format(schema[key])
        for key, words in (
            ("minimum", "{} or more"),
            ("exclusiveMinimum", "more than {}"),
            ("maximum", "at most {}"),
            ("exclusiveMaximum", "less than {}"),
            ("multipleOf", "in steps of {}"),
            ("pattern", "matches {}"),
        )
        if key in schema
    ]
    bounds += _counted(schema, "Length", "character") + _counted(schema, "Items", "item")
    if shape.default is not MISSING and shape.default not in (None, [], {}) and not is_box(shape):
        word = shape.default if isinstance(shape.default, str) else json.dumps(shape.default)
        bounds.append(f"default {word}")
    return " · ".join(part for part in (shape.hint, "; ".join(bounds)) if part)


def _counted(schema: Mapping[str, Any], what: str, word: str) -> list[str]:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    told = least and not (word == "character" and least == 1)  # an empty text is not given at all
    found = [f"at least {least} {word}{'' if least == 1 else 's'}"] if told else []
    return [*found, f"at most {most} {word}{'' if most == 1 else 's'}"] if most else found


def _options(shape: Shape, choices: Sequence[tuple[str, str]], value: str) -> list[Markup]:
    blank = not (shape.required and len(choices) == 1)
    known = [tag("option", "–", value="")] if blank else []
    return [*known, *(tag("option", word, value=one, selected=one == value) for one, word in choices)]


def _example(shape: Shape) -> str | None:
    found = shape.schema.get("examples")
    return str(found[0]) if isinstance(found, list) and found and isinstance(found[0], str | int | float) else None


def _is_long(shape: Shape) -> bool:
    longest = shape.schema.get("maxLength")
    return shape.kind is Kind.TEXT and isinstance(longest, int) and longest > _LONG


def _tells_missing(message: str, key: str) -> bool:
    return message.startswith(f"{key!r} is a required property")
