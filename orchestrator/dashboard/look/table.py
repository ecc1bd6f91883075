"""Tables of rows that have a name each: what changes is changed in place, so that nobody loses their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from nicegui import ui
from nicegui.events import GenericEventArguments

from orchestrator.dashboard.look.markup import Child, joined, tag
from orchestrator.dashboard.look.parts import html

OnSelect = Callable[[frozenset[str]], None]

_CHANGED = """(e) => {
  if (e.target.dataset.row !== undefined) emit(e.target.dataset.row, e.target.checked);
}"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `class_` is of its head and cells: `number`, `wide` (not on small screens), `main`."""

    title: str
    class_: str = ""


class Table:
    """A table in a page: `show` gives it other rows, and keeps what is selected of them."""

    def __init__(
        self, caption: str, columns: Sequence[Column], *, selectable: bool = False, on_select: OnSelect | None = None
    ) -> None:
        self.columns = columns
        self.selected: frozenset[str] = frozenset()
        self._selectable = selectable
        self._on_select = on_select
        self._cells: dict[str, Sequence[Child]] = {}
        self._rows: dict[str, ui.html] = {}
        with ui.element("div").classes("scroller").props("role=region tabindex=0") as scroller:
            scroller.props["aria-label"] = caption
            table = ui.element("table")
            with table:
                html(self._head(), name="thead")
                self._body = ui.element("tbody")
        if selectable:
            table.on("change", self._changed, js_handler=_CHANGED)

    def show(self, rows: Mapping[str, Sequence[Child]]) -> None:
        """The rows, by name, in their order."""
        for name in [name for name in self._rows if name not in rows]:
            self._rows.pop(name).delete()
            self._cells.pop(name)
        self.selected &= frozenset(rows)
        for place, (name, cells) in enumerate(rows.items()):
            if name not in self._rows:
                with self._body:
                    self._rows[name] = html(self._row(name, cells), name="tr")
            elif self._cells[name] != cells:
                self._rows[name].set_content(self._row(name, cells))
            self._cells[name] = cells
            row = self._rows[name]
            if self._body.default_slot.children[place] is not row:
                row.move(target_index=place)
        self._tell()

    def select(self, names: frozenset[str]) -> None:
        """Select these rows and no others."""
        changed = (self.selected ^ names) & frozenset(self._rows)
        self.selected = names & frozenset(self._rows)
        for name in changed:
            self._rows[name].set_content(self._row(name, self._cells[name]))
        self._tell()

    def _changed(self, event: GenericEventArguments) -> None:
        name, checked = event.args
        if name == "*":
            self.select(frozenset(self._rows) if checked else frozenset())
            return
        self.selected = self.selected | {name} if checked else self.selected - {name}
        self._tell()

    def _tell(self) -> None:
        if self._on_select is not None:
            self._on_select(self.selected)

    def _head(self) -> Markup:
        every = tag("input", type="checkbox", data_row="*", aria_label="All rows shown")
        select = tag("th", every, scope="col", class_="select") if self._selectable else None
        cells = [tag("th", one.title, scope="col", class_=one.class_ or None) for one in self.columns]
        return tag("tr", select, *cells)

    def _row(self, name: str, cells: Sequence[Child]) -> Markup:
        box = tag("input", type="checkbox", data_row=name, checked=name in self.selected, aria_label=f"Select {name}")
        select = tag("td", box, class_="select") if self._selectable else None
        shown = [
            tag("td", cell, class_=column.class_ or None) for column, cell in zip(self.columns, cells, strict=True)
        ]
        return joined([select, *shown])


def static_table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Child]]) -> Markup:
    """A table that does not change."""
    head = tag("tr", *(tag("th", one.title, scope="col", class_=one.class_ or None) for one in columns))
    body = [
        tag("tr", *(tag("td", cell, class_=one.class_ or None) for one, cell in zip(columns, row, strict=True)))
        for row in rows
    ]
    table = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="scroller", role="region", tabindex=0, aria_label=caption)
