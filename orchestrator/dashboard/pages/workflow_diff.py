"""Two versions of a workflow, and what they differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from orchestrator.client.callers import Caller
from orchestrator.client.shown import VersionStatus
from orchestrator.dashboard.drawing.graph import draw_graph
from orchestrator.dashboard.drawing.progress import Progress
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import Child, joined, tag
from orchestrator.dashboard.look.parts import choice_field, heading, html
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.pages.differences import Change, Differences, Line, StepDifference, differences
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.workflow import chosen_version
from orchestrator.dashboard.pages.workflow_definition import as_yaml
from orchestrator.dashboard.paths import WORKFLOWS, diff_path, workflow_path
from orchestrator.dashboard.visit import Visit
from orchestrator.plan.graph import Plan
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.workflow import WorkflowSpec

_WORDS: Final = {"+": "added", "-": "removed"}


@dataclass(frozen=True, slots=True)
class Seen:
    """The versions that there are, the two that are compared, and how they differ."""

    versions: Sequence[VersionStatus]
    old: Plan
    new: Plan
    found: Differences

    @property
    def before(self) -> str:
        """The version that is compared."""
        return self.old.version

    @property
    def after(self) -> str:
        """The version that it is compared with."""
        return self.new.version


async def show(visit: Visit) -> None:
    """The page."""
    key = str(visit.request.path_params["key"])
    seen = await visit.ask(_read, visit.first, key, visit.query.get("from", ""), visit.query.get("to", ""))
    visit.entitle(f"{key} {seen.before} → {seen.after}")
    html(heading(tag("a", key, href=workflow_path(key, seen.after)), tag("span", "Versions compared", class_="count")))
    html(_form(key, seen))
    for part in await visit.ask(_drawn, key, seen):
        html(part, name="section")


def _drawn(key: str, seen: Seen) -> list[Markup]:
    found = seen.found
    if not (found.steps or found.rest):
        return [empty_state("They differ in their numbers only.", "The workflow", workflow_path(key))]
    rest = tag("dl", *(_change(one) for one in found.rest), class_="changes")
    beside = [joined([tag("h2", "Beside the steps"), rest])] if found.rest else []
    return [_summary(found), _graphs(seen), _steps(found.steps), *beside, _lines(seen)]


def _read(caller: Caller, key: str, before: str, after: str) -> Seen:
    caller.check_workflow(key)
    versions = caller.client.versions(key)
    new = chosen_version(key, versions, after or versions[0].version)
    place = versions.index(new)
    old = chosen_version(key, versions, before) if before else versions[min(place + 1, len(versions) - 1)]
    was, now = _both(caller, key, old.version), _both(caller, key, new.version)
    return Seen(versions, was[1], now[1], differences(was, now))


def _both(caller: Caller, key: str, version: str) -> tuple[WorkflowSpec, Plan]:
    definition, plan = caller.client.catalogue.published(key, version)
    return from_canonical(definition.canonical), plan


def _form(key: str, seen: Seen) -> Markup:
    choices = {one.version: one.version for one in seen.versions}
    swap = tag("a", "Swap", href=diff_path(key, seen.after, seen.before), class_="button")
    fields = (
        choice_field("From", "from", choices, seen.before),
        choice_field("To", "to", choices, seen.after),
        tag("div", tag("button", "Compare", type="submit"), swap, class_="actions"),
    )
    return tag("form", *fields, method="get", action=diff_path(key), class_="filters compare", data_filters=True)


def _summary(found: Differences) -> Markup:
    counts = [badge(kind, f"{found.count(kind)} {kind}") for kind in ("added", "removed", "changed")]
    return tag("p", "Steps: ", joined(counts, " "), class_="summary")


def _graphs(seen: Seen) -> Markup:
    """Both graphs, with a sign at each step that the other has not, or has otherwise."""
    if not seen.found.steps:
        return joined([])
    kinds: dict[str, str] = {one.id: one.kind for one in seen.found.steps}
    return tag("div", *(_graph(plan, kinds) for plan in (seen.old, seen.new)), class_="columns even")


def _graph(plan: Plan, kinds: Mapping[str, str]) -> Markup:
    marks = {id: Progress(kinds.get(id, "same"), {}) for id in plan.nodes}  # noqa: A001  # what it is
    drawn = draw_graph(plan, marks)
    frame = tag("div", drawn, class_="picture", role="region", tabindex=0, aria_label=f"Graph of {plan.version}")
    return tag("section", tag("h2", plan.version), frame)


def _steps(steps: Sequence[StepDifference]) -> Markup:
    if not steps:
        return joined([tag("h2", "Steps"), tag("p", "Every step is as it was.", class_="hint")])
    return joined([tag("h2", "Steps"), tag("div", *(_step(one) for one in steps), class_="steps")])


def _step(one: StepDifference) -> Markup:
    summary = tag(
        "summary", badge(one.kind), tag("span", one.id, class_="mono"), tag("span", _named(one), class_="hint")
    )
    inside = tag("div", tag("dl", *(_change(each) for each in one.changes), class_="changes"), class_="inside")
    return tag("div", tag("details", summary, inside, open=one.kind == "changed", id=f"step-{one.id}"))


def _named(one: StepDifference) -> str:
    if one.kind == "changed":
        return ", ".join(name.replace("_", " ") for name, _, _ in one.changes)
    known = {name: after if before is None else before for name, before, after in one.changes}
    return str(known.get("operation") or next(iter(known), ""))


def _change(change: Change) -> Markup:
    name, before, after = change
    sides: list[Child] = []
    if before is not None:
        sides.append(tag("dd", tag("del", _value(before)), class_="was"))
    if after is not None:
        sides.append(tag("dd", tag("ins", _value(after)), class_="is"))
    return tag("div", tag("dt", name.replace("_", " ")), *sides)


def _value(value: Any) -> Markup:
    text = value if isinstance(value, str) else as_yaml(value).removesuffix("...\n").rstrip()
    return tag("code", text)


def _lines(seen: Seen) -> Markup:
    rows = [_line(one) for one in seen.found.lines]
    head = tag(
        "tr",
        tag("th", seen.before, scope="col"),
        tag("th", seen.after, scope="col"),
        tag("th", "Definition, as YAML", scope="col"),
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="lines")
    framed = tag("div", table, class_="scroller", role="region", tabindex=0, aria_label="Lines of the definitions")
    left = seen.found.left_out
    more = tag("p", f"{left:,} more lines differ, or stand beside some that do.", class_="hint") if left else None
    return joined([tag("h2", "Lines"), framed, more])


def _line(line: Line) -> Markup:
    if line.sign == "@":
        return tag("tr", tag("td", "⋯", colspan=3, class_="gap"))
    said = tag("span", _WORDS[line.sign], class_="unseen") if line.sign in _WORDS else None
    text = tag("td", said, tag("code", f"{line.sign} {line.text}"))
    numbers = (tag("td", number, class_="number") for number in (line.before, line.after))
    return tag("tr", *numbers, text, class_=_WORDS.get(line.sign))


PAGE = Page("/workflows/{key}/diff", "Versions compared", show, parent=WORKFLOWS)
