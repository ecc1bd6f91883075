"""Asking before something is done, with a reason for the audit log; the browser's own dialog keeps the focus in it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from markupsafe import Markup
from nicegui import ui
from nicegui.events import GenericEventArguments

from orchestrator.dashboard.look.markup import NOTHING, tag

Decided = Callable[[dict[str, str]], Awaitable[None]]

_VALUES = """(e) => {
  e.preventDefault();
  emit(Object.fromEntries(new FormData(e.target)));
  e.target.closest("dialog").close();
}"""


async def confirm(
    title: str,
    word: str,
    decided: Decided,
    *,
    says: Markup | str = "",
    fields: Markup = NOTHING,
    dangerous: bool = False,
    reason: tuple[str, str] | None = ("Reason", "Kept in the audit log."),
) -> None:
    """Open a dialog; `decided` gets the values of its fields, `reason` among them, if it is confirmed by `word`.

    `reason` is that field's label and hint, where it is for something else than the audit log; None: none is asked for.
    """
    dialog = ui.element("dialog")
    why = reason and tag(
        "div",
        tag("label", reason[0], for_=f"reason-{dialog.id}"),
        tag("input", id=f"reason-{dialog.id}", name="reason", maxlength=500, autocomplete="off"),
        tag("small", reason[1]),
        class_="field",
    )
    buttons = tag(
        "div",
        tag("button", "Back", type="button", class_="plain", data_close=True),
        tag("button", word, type="submit", class_="danger" if dangerous else "primary"),
        class_="actions",
    )
    content = [tag("h2", title, id=f"title-{dialog.id}"), says and tag("div", says), fields, why or NOTHING, buttons]

    async def sent(event: GenericEventArguments) -> None:
        dialog.delete()
        await decided({name: str(value) for name, value in dict(event.args).items()})

    dialog.props["aria-labelledby"] = f"title-{dialog.id}"
    with dialog:
        ui.html(Markup("").join(content), sanitize=False, tag="form").on("submit", sent, js_handler=_VALUES)
    dialog.on("cancel", dialog.delete)
    ui.run_javascript(f"orchestrator.open({json.dumps(dialog.html_id)})")
