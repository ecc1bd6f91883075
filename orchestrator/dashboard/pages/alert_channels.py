"""Where alerts go: the channels, a test message for each, and the messages that were given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.shown import ChannelDescription, DeliveryDescription
from orchestrator.client.surface import ALL
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import button, heading, html, show_if
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.pages.alert_parts import delivery_row
from orchestrator.dashboard.pages.needs import ALERTS, CHANNELS, KINDS
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import alert_path, to
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import Forbidden

DEAD: Final = 100
"""Messages that are shown, the first of them first; what was replayed makes room for the rest."""
OFTEN_S: Final = 5.0
_LOOK_S: Final = 0.5
_LOOKS: Final = 120
_UNDER_WAY: Final = ("pending", "sending")
COLUMNS: Final = (
    Column("State"),
    Column("Channel", "main"),
    Column("Alerts", "number wide"),
    Column("Attempts", "number wide"),
    Column("Since", "number"),
    Column("What went wrong", "wide"),
    Column("About"),
)
_SOME: Final = "A key for some workflows only may not do this."


async def show(visit: Visit) -> None:
    """The page."""
    page = _Channels(visit)
    page.build(await visit.ask(visit.first.client.alerts.channels), await visit.ask(page.read, visit.first))
    if page.sees_dead:
        visit.every(OFTEN_S, page.refresh)


class _Channels:
    """The page as it stands in one browser."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.progress: dict[str, ui.html] = {}
        self.sees_dead = visit.allows(Role.OPERATOR) and not visit.first.workflows

    def read(self, caller: Caller) -> Sequence[DeliveryDescription]:
        """What was given up, for whom the API tells of it."""
        return caller.client.alerts.dead(limit=DEAD) if self.sees_dead else ()

    def build(self, channels: Sequence[ChannelDescription], dead: Sequence[DeliveryDescription]) -> None:
        """Put everything there."""
        html(joined([tag("a", "Alerts", href=to(ALERTS)), " / channels"]), class_="hint crumbs")
        html(heading("Where alerts go"))
        if not channels:
            html(_no_channels())
        for channel in channels:
            self._channel(channel)
        with ui.element("section").classes("part").props("aria-labelledby=dead"):
            html(tag("h2", "Messages that were given up", id="dead"))
            if not self.sees_dead:
                html(tag("p", f"{self._why_not(Role.OPERATOR)} ", tag("code", Forbidden.code), class_="hint"))
                return
            with ui.element("div").classes("bar").props("role=group") as self.bar:
                self.bar.props["aria-label"] = "Actions on messages"
                self.count = html(NOTHING, name="span", class_="hint")
                self.chosen = button("Replay selected", self._replay_selected)
                button("Replay all…", self._replay_all, kind="plain")
            self.empty = html(NOTHING)
            self.box = ui.element("div")
            with self.box:
                self.table = Table("Messages given up", COLUMNS, selectable=True, on_select=self._selected)
        self._put(dead)

    async def refresh(self, caller: Caller) -> None:
        """Look again."""
        self._put(await self.visit.ask(self.read, caller))

    def _put(self, dead: Sequence[DeliveryDescription]) -> None:
        self.table.show({one.id: (*delivery_row(one), _about(one)) for one in dead})
        for part in (self.box, self.bar):
            show_if(part, dead)
        nothing = empty_state("No message was given up.", hint="After its last try one is; here it can be sent again.")
        self.empty.set_content(NOTHING if dead else nothing)

    def _channel(self, channel: ChannelDescription) -> None:
        kinds = ", ".join(KINDS.get(one, one).lower().replace("slas", "SLAs") for one in channel.on)
        said = joined([kinds or "what names it only", f"; {channel.min_level} and above"])
        with _panel(channel.name):
            html(joined([tag("h2", channel.name), tag("code", channel.url), tag("p", said, class_="hint")]))
            with ui.element("div").classes("bar"):
                why_not = self._why_not(Role.ADMIN)
                button("Send a test message", self._testing(channel.name), why_not=why_not)
                progress = html(NOTHING, name="span")
        self.progress[channel.name] = progress

    def _why_not(self, needed: Role) -> str:
        if not self.visit.allows(needed):
            return f"This needs the role {needed}."
        return _SOME if self.visit.first.workflows else ""

    def _testing(self, name: str) -> Callable[[], Awaitable[None]]:
        async def pressed() -> None:
            says = f"A listener sends it to {name} within a second or two; what came of it is told here."
            await confirm("Send a test message?", "Send", decided, says=says, reason=None)

        async def decided(_: dict[str, str]) -> None:
            def work(caller: Caller) -> str:
                caller.check_unrestricted()
                return caller.client.alerts.test(name)

            made = await self.visit.act(Role.ADMIN, "test_channel", f"alert-channels/{name}", work, "It is due now.")
            if made is not None:
                await self._watch(name, made)

        return pressed

    async def _watch(self, name: str, delivery_id: str) -> None:
        """Say what becomes of a test message, for a minute."""
        for _ in range(_LOOKS):
            if self.visit.client.is_deleted:
                return
            found = await self.visit.ask(self.visit.first.client.alerts.delivery, delivery_id)
            why = tag("span", f" {found.error}", class_="hint") if found.error else None
            self.progress[name].set_content(tag("span", badge(found.state), why, role="status"))
            if found.state not in _UNDER_WAY:
                return
            await asyncio.sleep(_LOOK_S)

    def _selected(self, names: frozenset[str]) -> None:
        self.count.set_content(tag("span", f"{len(names)} selected" if names else "Select messages to send them again"))
        show_if(self.chosen, names)

    async def _replay_selected(self) -> None:
        await self._ask_replay(sorted(self.table.selected), f"{len(self.table.selected)} selected")

    async def _replay_all(self) -> None:
        await self._ask_replay([ALL], "all")

    async def _ask_replay(self, ids: Sequence[str], which: str) -> None:
        async def decided(_: dict[str, str]) -> None:
            def work(caller: Caller) -> int:
                caller.check_unrestricted()
                return sum(caller.client.alerts.replay(one) for one in ids)

            told = "Due again: {} messages.".format
            await self.visit.act(Role.OPERATOR, "replay_alert", f"alert-deliveries ({which})", work, told)
            await self.visit.again(self.refresh)

        says = "They are due again, each under its id, with all its tries. Whoever receives one twice knows it by that."
        await confirm(f"Send {which} again?", "Replay", decided, says=says, reason=None)


def _panel(name: str) -> ui.element:
    made = ui.element("section").classes("panel channel")
    made.props["aria-label"] = f"Channel {name}"
    return made


def _about(one: DeliveryDescription) -> Markup:
    words = ["the alert"] if one.count == 1 else [f"alert {place}" for place in range(1, 4)]
    links = [tag("a", word, href=alert_path(id_)) for word, id_ in zip(words, one.alerts, strict=False)]
    return joined(links, ", ") if links else joined([one.kind])


def _no_channels() -> Markup:
    return empty_state(
        "No channel is set up, so alerts are shown here and sent nowhere.",
        hint="Name one in the settings of the listener and of the API: a URL of apprise, or a signed webhook.",
        command='ORCHESTRATOR_ALERTS=\'{"ops": "mailto://user:password@example.com"}\' orchestrator listen',
    )


PAGE = Page(CHANNELS, "Alert channels", show, parent=ALERTS)
