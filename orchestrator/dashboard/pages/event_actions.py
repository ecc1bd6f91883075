"""What can be done with events that were given up: take them in again, or forget them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from nicegui import ui
from nicegui.element import Element

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.surface import ALL
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.markup import NOTHING, tag
from orchestrator.dashboard.look.parts import button, html, show_if
from orchestrator.dashboard.visit import Visit

Verb = Literal["replay", "discard"]

_WORDS: Final[dict[Verb, str]] = {"replay": "Replay", "discard": "Discard"}
_DONE: Final[dict[Verb, str]] = {"replay": "taken in again", "discard": "forgotten"}
_SAYS: Final[dict[Verb, str]] = {
    "replay": "They come in again; what they have started already, they do not start again.",
    "discard": "They are forgotten, for good.",
}


class LetterActions:
    """Buttons for the selected ones, and for all there are."""

    def __init__(self, visit: Visit, again: Callable[[Caller], Awaitable[None]]) -> None:
        self.visit = visit
        self.again = again
        self.chosen: frozenset[str] = frozenset()
        why_not = "" if visit.allows(Role.OPERATOR) else "This needs the role operator."
        with ui.element("div").classes("bar").props("role=group") as bar:
            bar.props["aria-label"] = "Actions on events that were given up"
            self.count = html(NOTHING, name="span", class_="hint")
            self.buttons: list[Element] = [
                button(f"{word} selected…", self._asking(verb, every=False), why_not=why_not)
                for verb, word in _WORDS.items()
            ]
            for verb, word in _WORDS.items():
                button(f"{word} all…", self._asking(verb, every=True), kind="plain", why_not=why_not)
        self.selected(frozenset())

    def selected(self, names: frozenset[str]) -> None:
        """Others are selected now."""
        self.chosen = names
        self.count.set_content(tag("span", f"{len(names)} selected" if names else "Select events to act on them"))
        for one in self.buttons:
            show_if(one, names)

    def _asking(self, verb: Verb, *, every: bool) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            letters = [ALL] if every else sorted(self.chosen)
            what = "all that were given up" if every else f"{len(letters)} event{'' if len(letters) == 1 else 's'}"

            async def decided(values: dict[str, str]) -> None:
                await self._do(verb, letters, values.get("reason", ""))

            await confirm(
                f"{_WORDS[verb]} {what}?", _WORDS[verb], decided, says=_SAYS[verb], dangerous=verb == "discard"
            )

        return ask

    async def _do(self, verb: Verb, letters: list[str], reason: str) -> None:
        def work(caller: Caller) -> int:
            caller.check_unrestricted()
            events = caller.client.events
            do = events.replay if verb == "replay" else events.discard
            return sum(do(letter, reason) for letter in letters)

        def told(count: int) -> str:
            return f"{count} event{'' if count == 1 else 's'} {_DONE[verb]}"

        target = f"events/dead/{letters[0]}" if len(letters) == 1 else f"events/dead ({len(letters)})"
        if await self.visit.act(Role.OPERATOR, f"{verb}_event", target, work, told) is not None:
            await self.visit.again(self.again)
