"""What is sent when somebody unfolds it, by the connection that the open page has anyway."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from orchestrator.dashboard.look.markup import Child, tag

Asked = Callable[[str], Awaitable[None]]

_EMPTY: Final = """(e) => {
  const { open, dataset, childElementCount, id } = e.target;
  if (open && dataset.later !== undefined && childElementCount === 1) emit(id);
}"""


def later(name: str, summary: Child, *, class_: str) -> Markup:
    """A line to be unfolded, with nothing in it yet."""
    return tag("details", tag("summary", summary), id=name, class_=class_, data_later=True)


def on_unfold(around: Element, asked: Asked) -> None:
    """Call back with the name of what is unfolded within the element and has nothing in it."""

    async def handed(event: GenericEventArguments) -> None:
        await asked(str(event.args))

    around.on("toggle.capture", handed, js_handler=_EMPTY)  # it does not bubble


def fill(name: str, content: Markup) -> None:
    """Put it in."""
    ui.run_javascript(f"orchestrator.fill({json.dumps(name)}, {json.dumps(content)})")
