"""Asking before something is done, with a reason for the audit log; the browser's own dialog keeps the focus in it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from markupsafe import Markup
from nicegui import ui
from nicegui.events import GenericEventArguments

from orchestrator.dashboard.look.markup import NOTHING, tag

Decided = Callable[[dict[str, str]], Awaitable[object]]
AUDITED: Final = ("Reason", "Kept in the audit log.")
Within = Callable[[], object]
"""Puts parts of NiceGUI's into the dialog's form, such as a `SchemaForm`."""

_VALUES = """(e) => {
  e.preventDefault();
  emit(Object.fromEntries(new FormData(e.target)));
  if (e.target.dataset.stays === undefined) e.target.closest("dialog").close();
}"""


async def confirm(
    title: str,
    word: str,
    decided: Decided,
    *,
    says: Markup | str = "",
    fields: Markup = NOTHING,
    dangerous: bool = False,
    reason: tuple[str, str] | None = AUDITED,
    within: Within | None = None,
) -> None:
    """Open a dialog; `decided` gets the values of its fields, `reason` among them, if it is confirmed by `word`.

    `reason` is that field's label and hint, where it is for something else than the audit log; None: none is asked for.
    With `within`, the dialog stays open until `decided` is through, and longer if that says False: something was not
    filled in right.
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
    before = [tag("h2", title, id=f"title-{dialog.id}"), says and tag("div", says), fields]

    async def sent(event: GenericEventArguments) -> None:
        values = {name: str(value) for name, value in dict(event.args).items()}
        if within is None:
            dialog.delete()
            await decided(values)
        elif await decided(values) is not False:
            ui.run_javascript(f"orchestrator.close({json.dumps(dialog.html_id)})")

    dialog.props["aria-labelledby"] = f"title-{dialog.id}"
    with dialog, ui.element("form").on("submit", sent, js_handler=_VALUES) as form:
        _piece(before)
        if within is not None:
            form.props("data-stays novalidate")
            within()
        _piece([why or NOTHING, buttons])
    dialog.on("close" if within else "cancel", dialog.delete)
    ui.run_javascript(f"orchestrator.open({json.dumps(dialog.html_id)})")


def _piece(content: Sequence[Markup | str]) -> None:
    """Markup that stands in the form as if nothing were around it."""
    ui.html(Markup("").join(content), sanitize=False, tag="div").classes("bare-piece")
