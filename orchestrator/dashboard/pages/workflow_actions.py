"""A workflow's versions, and what can be done about them: deprecate one, share new runs out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.shown import VersionStatus
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.parts import button, html, text_field
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.pages.run_filters import Filters
from orchestrator.dashboard.pages.workflows import stability_of
from orchestrator.dashboard.paths import diff_path, workflow_path
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import InvalidTraffic
from orchestrator.spec.traffic import Traffic

MOST: Final = 12
"""Versions that are listed, besides those that runs live on or that new runs take."""
_HEADS: Final = (
    ("Version", ""),
    ("State", ""),
    ("New runs", "number"),
    ("Live runs", "number"),
    ("Published", "number wide"),
    ("Actions", ""),
)
_STATES: Final[Mapping[str, str]] = {
    "live": "New runs that name no version take it",
    "draining": "Runs live on it; new ones take it by name only",
    "idle": "No run lives on it; new ones take it by name only",
}
_NEEDS_ADMIN: Final = "This needs the role admin."

Again = Callable[[], Awaitable[None]]


def state_of(version: VersionStatus) -> str:
    """live, draining or idle: whether new runs take it, and whether runs live on it."""
    if version.takes_percent:
        return "live"
    return "draining" if version.live_runs else "idle"


class Versions:
    """The table of versions with its buttons; a row whose version is as it was is not touched."""

    def __init__(self, visit: Visit, key: str, again: Again) -> None:
        self.visit = visit
        self.key = key
        self.again = again
        self.versions: Sequence[VersionStatus] = ()
        self.traffic: Traffic | None = None
        self.chosen = ""
        self._rows: dict[str, tuple[Element, object]] = {}

    def traffic_button(self) -> None:
        """Beside the others of the page."""
        button("Share out new runs…", self._ask_traffic, why_not=self._why_not)

    def build(self, chosen: str) -> None:
        """Put the table there; `chosen` is the version that the page is about."""
        self.chosen = chosen
        self.split = html(NOTHING)
        heads = [tag("th", word, scope="col", class_=class_ or None) for word, class_ in _HEADS]
        scroller = ui.element("div").classes("scroller").props("role=region tabindex=0 aria-label=Versions")
        with scroller, ui.element("table").classes("versions"):
            html(tag("tr", *heads), name="thead")
            self._body = ui.element("tbody")
        self.more = html(NOTHING)

    def put(self, versions: Sequence[VersionStatus], traffic: Traffic | None) -> None:
        """Show them as they are now."""
        self.versions, self.traffic = versions, traffic
        shown = [
            one
            for place, one in enumerate(versions)
            if place < MOST or state_of(one) != "idle" or one.version == self.chosen
        ]
        for place, one in enumerate(shown):
            before = versions[versions.index(one) + 1].version if one is not versions[-1] else ""
            self._row(one, before, place)
        for gone in self._rows.keys() - {one.version for one in shown}:
            self._rows.pop(gone)[0].delete()
        left = len(versions) - len(shown)
        self.more.set_content(
            tag("p", f"{left} older versions, on which no run lives.", class_="hint") if left else NOTHING
        )
        self.split.set_content(_split(traffic))

    def _row(self, one: VersionStatus, before: str, place: int) -> None:
        known = self._rows.get(one.version)
        if known is not None and known[1] == (one, before):
            return
        if known is None:
            with self._body:
                row = ui.element("tr")
            row.move(target_index=place)
        else:
            row = known[0]
            row.clear()
        self._rows[one.version] = row, (one, before)
        with row:
            for (_, class_), cell in zip(_HEADS, self._cells(one, before), strict=False):
                html(joined([cell]), name="td", class_=class_)
            with ui.element("td").classes("acts"):
                self._buttons(one)

    def _cells(self, one: VersionStatus, before: str) -> Sequence[Child]:
        name = tag(
            "a",
            one.version,
            href=workflow_path(self.key, one.version),
            aria_current="true" if one.version == self.chosen else None,
        )
        state = state_of(one)
        marked = badge("deprecated") if one.deprecated_at else None
        compare = (
            tag("a", f"compare with {before}", href=diff_path(self.key, before, one.version), class_="under")
            if before
            else None
        )
        runs = Filters(workflow=self.key, version=one.version).address
        return (
            joined([name, compare]),
            joined([badge(state, title=_STATES[state]), " ", marked or _stability(one)]),
            _share(one.takes_percent),
            tag("a", f"{one.live_runs:,}", href=runs) if one.live_runs else "0",
            moment(one.published_at),
        )

    def _buttons(self, one: VersionStatus) -> None:
        word = "Take the mark off…" if one.deprecated_at else "Deprecate…"

        async def ask() -> None:
            await self._ask_deprecate(one)

        button(word, ask, kind="plain", why_not=self._why_not)

    @property
    def _why_not(self) -> str:
        return "" if self.visit.allows(Role.ADMIN) else _NEEDS_ADMIN

    async def _ask_deprecate(self, one: VersionStatus) -> None:
        undo = one.deprecated_at is not None
        target = f"workflows/{self.key}/versions/{one.version}"
        says = (
            "New runs may take it again."
            if undo
            else f"New runs take it only by name, or by a split that names it. Its {one.live_runs:,} live runs go on."
        )

        async def decided(values: dict[str, str]) -> None:
            def work(caller: Caller) -> bool:
                caller.check_workflow(self.key)
                caller.client.deprecate(self.key, one.version, undo=undo, reason=values.get("reason", ""))
                return True

            done = f"{one.version} is {'no longer ' if undo else ''}deprecated"
            if await self.visit.act(Role.ADMIN, "undeprecate" if undo else "deprecate", target, work, done):
                await self.again()

        title = f"Take the mark off {one.version}?" if undo else f"Deprecate {one.version}?"
        await confirm(title, "Take it off" if undo else "Deprecate", decided, says=says, dangerous=not undo)

    async def _ask_traffic(self) -> None:
        weights = dict(self.traffic.weights) if self.traffic else {}
        offered = [one for one in self.versions if one.version in weights or not one.deprecated_at][:MOST]
        fields = [
            text_field(
                one.version,
                f"weight-{one.version}",
                f"{weights[one.version]:g}" if one.version in weights else "",
                inputmode="decimal",
                autocomplete="off",
                hint=f"{one.takes_percent:.3g} % now" if one.takes_percent else "",
            )
            for one in offered
        ]
        sticky = text_field(
            "The same version for the same",
            "by",
            (self.traffic.by or "") if self.traffic else "",
            placeholder="ctx.user_id",
            hint="CEL over input and ctx. Empty: each run by itself.",
            autocomplete="off",
        )
        says = "Weights of the versions. All empty: the highest stable version takes all again."

        async def decided(values: dict[str, str]) -> None:
            await self._set_traffic({one.version: values.get(f"weight-{one.version}", "") for one in offered}, values)

        content = joined([tag("div", *fields, class_="weights"), sticky])
        await confirm("Share out new runs", "Share out", decided, says=says, fields=content)

    async def _set_traffic(self, given: Mapping[str, str], values: Mapping[str, str]) -> None:
        reason, by = values.get("reason", ""), values.get("by", "").strip() or None
        asked = {version: text.strip() for version, text in given.items() if text.strip()}

        def work(caller: Caller) -> bool:
            caller.check_workflow(self.key)
            if asked:
                weights = {version: _weight(version, text) for version, text in asked.items()}
                caller.client.traffic(self.key, weights, by=by, reason=reason)
            else:
                caller.client.clear_traffic(self.key, reason=reason)
            return True

        action = "set_traffic" if asked else "clear_traffic"
        done = "New runs are shared out" if asked else "The highest stable version takes all new runs"
        if await self.visit.act(Role.ADMIN, action, f"workflows/{self.key}", work, done):
            await self.again()


def _weight(version: str, text: str) -> float:
    try:
        return float(text.removesuffix("%"))
    except ValueError as error:
        raise InvalidTraffic(f"the weight of {version} must be a number, not {text!r}", version=version) from error


def _split(traffic: Traffic | None) -> Markup:
    if traffic is None:
        return NOTHING
    by = joined([", the same for the same ", tag("code", traffic.by)]) if traffic.by else ", each by itself"
    return tag("div", "New runs that name no version are shared out by weight", by, ".", class_="hint")


def _stability(one: VersionStatus) -> Markup | None:
    return None if one.stability == "stable" else badge(stability_of(one))


def _share(percent: float) -> Child:
    if not percent:
        return tag("span", "–", class_="none")
    bar = tag("span", tag("span", style=f"width: {percent:.1f}%"), class_="share", aria_hidden="true")
    return joined([bar, f"{percent:.3g} %"])
