"""What must hold of SLAs after every commit, and of what was told of them; worked out from the plan alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.engine.address import RUN, is_drain, is_lane, is_undo
from orchestrator.engine.indexes import sla_index
from orchestrator.engine.places import node_at
from orchestrator.engine.sla import SlaState, sla_state
from orchestrator.engine.state import LIVE, SETTLED, StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan, SlaTerms
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import Store

if TYPE_CHECKING:
    from tests.property.world import World

Fields = Mapping[str, str]
VERDICTS = {"breach", "met"}


def check_slas(plan: Plan, store: MemoryStore, now_ms: int, before: Fields, after: Fields) -> None:
    """One commit: it fired what was due, in order, judged what it ended, and left alone what was over."""
    entries = store.entries("run")
    for address, terms in measured_in(plan, after):
        held = {name: after[f"{address}:sla.{name}"] for name in _names(terms) if f"{address}:sla.{name}" in after}
        had = {name: before[f"{address}:sla.{name}"] for name in _names(terms) if f"{address}:sla.{name}" in before}
        if _is_over(before, address):
            assert held == had, f"{address} has ended, and its SLA has changed"
            continue
        over = _is_over(after, address)
        assert over == bool(VERDICTS & {*held} - ({"breach"} if not over else set())), f"{address}: no verdict"
        _check_fired(address, terms, now_ms, after, new={*held} - {*had}, over=over)
        if over:
            assert "next" not in held, f"{address}: {held}"
        elif address != RUN or after["stopping"] == "0":
            _check_next(address, terms, after, entries)
    if plan.sla is not None and after:
        check_found(store, "run", after)


def check_found(store: Store, run_id: str, values: Fields) -> None:
    """The run is in the index of what its SLA is, and in no other."""
    states = [state for state in SlaState if run_id in [one for _, one in store.newest(sla_index(state), None, 9)]]
    assert states == [sla_state(RunView(run_id, values, 0), RUN)]


def check_told(world: World) -> None:
    """The history of a run that is over has each level once, in the order in which they fired, and one verdict each."""
    told: dict[str, list[str]] = {}
    for entry in world.store.history("run"):
        if entry.event["type"].startswith("sla_"):
            told.setdefault(entry.event.get("step", RUN), []).append(entry.event.get("level", "met"))
    values = world.values()
    for address, terms in measured_in(world.plan, values):
        order = [level.name for level in terms.levels]
        fired = [name for name in (*order, "met") if f"{address}:sla.{name}" in values]
        assert told.pop(address, []) == fired, f"{address} was told of {told}, and fired {fired}"
        assert len(VERDICTS & {*fired}) == 1, f"{address} has no verdict: {fired}"
    assert not told


def measured_in(plan: Plan, values: Fields) -> Iterator[tuple[str, SlaTerms]]:
    """Everything that has an SLA and was begun."""
    if plan.sla is not None:
        yield RUN, plan.sla
    for address in (name[:-6] for name in values if name.endswith(":state")):
        if is_drain(address) or is_undo(address) or is_lane(address):
            continue
        terms = node_at(plan, address).sla
        if terms is not None and values[f"{address}:state"] != StepState.PENDING:
            yield address, terms


def _names(terms: SlaTerms) -> list[str]:
    return ["due", "next", "met", *(level.name for level in terms.levels)]


def _is_over(values: Fields, address: str) -> bool:
    """Whether what is measured has ended; a run that has stopped is judged when its undo begins."""
    if not values:
        return False
    if address == RUN:
        return values["status"] in ("completed", "failed", "cancelled") or values.get("~:state") == StepState.COMPLETED
    return values.get(f"{address}:state") in SETTLED


def _check_fired(address: str, terms: SlaTerms, now_ms: int, after: Fields, *, new: set[str], over: bool) -> None:
    due_ms = int(after[f"{address}:sla.due"])
    at_ms = now_ms
    if address == RUN and over and "stopped_at" in after:
        at_ms = int(after["stopped_at"])
    if "paused_at" in after and (after["paused"] == "1" or address == RUN):
        at_ms = min(at_ms, int(after["paused_at"]))
    fired = [level for level in terms.levels if level.name in new]
    for level in fired:
        assert due_ms - terms.max_ms + level.after_ms <= at_ms, f"{address}: {level.name} fired before its moment"
    if over:
        assert {level.name for level in fired} <= {"breach"}, f"{address} has ended, and {fired} fired"
        late = f"{address}:sla.breach" in after
        assert late == (due_ms <= at_ms) or (late and "breach" not in new), f"{address} is judged wrongly"


def _check_next(address: str, terms: SlaTerms, after: Fields, entries: Mapping[str, float]) -> None:
    """What goes on is looked at when the first level that has not fired is due, at the latest."""
    due_ms = int(after[f"{address}:sla.due"])
    left = [level for level in terms.levels if f"{address}:sla.{level.name}" not in after]
    assert left == list(terms.levels[len(terms.levels) - len(left) :]), f"{address}: levels fired out of order"
    if not left:
        assert f"{address}:sla.next" not in after
        return
    assert int(after[f"{address}:sla.next"]) == due_ms - terms.max_ms + left[0].after_ms
    assert address == RUN or after[f"{address}:state"] in LIVE
    assert entries[address] <= int(after[f"{address}:sla.next"]), f"{address} is looked at too late"
