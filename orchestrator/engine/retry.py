"""Retry of a run that is over: a reset to just before what was undone, or, if nothing was, to what did not complete.

A step is kept if it completed, was not undone, and everything before it in its flow is kept (RULES 9; what runs beside
an undone step and depends on nothing that was undone stays). Counts and live sets are rebuilt from what is kept.
"""

from __future__ import annotations

import json
from functools import cached_property

from orchestrator.engine import fields
from orchestrator.engine.address import (
    RUN,
    drain_of,
    flow_of,
    is_drain,
    is_undo,
    key_of,
    lane_of,
    member,
    parse_address,
    scopes_around,
    undo_of,
    undone_by,
    within,
)
from orchestrator.engine.commit import Changes, Commit, Due, Stage, merged
from orchestrator.engine.drain import is_inside
from orchestrator.engine.indexes import moved
from orchestrator.engine.look import evaluate_inputs
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.places import container_at, flow_at, is_container, node_at
from orchestrator.engine.reads import members
from orchestrator.engine.sla import measured, run_measured
from orchestrator.engine.stages import event, latest, reach
from orchestrator.engine.state import UNSUCCESSFUL, RunHappening, StepHappening, StepState, move_run, move_step
from orchestrator.engine.verbs import Wish
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import REST, SINK, Container, Plan
from orchestrator.spec.flows import FAIL

_COUNTED = frozenset({"epoch", "children"})
"""What a step has in all its lives: else two of them would have the same key, or child."""
_SUCCESSFUL = frozenset({StepState.COMPLETED, StepState.SKIPPED})


def retry(plan: Plan, view: RunView, terms: Terms, wish: Wish, new_input: str | None = None) -> Move:
    """The next incarnation of a failed or cancelled run; needs the whole run. `new_input` is JSON that was checked."""
    status = move_run(view.status, RunHappening.RETRY)
    incarnation = str(int(view.incarnation) + 1)
    limit_ms = view.moment(fields.RUN_LIMIT)
    reset = _Reset(plan, view, terms)
    reset.flow("")
    going_on = merged(reset.changes)
    written = {*going_on.set, *going_on.stamp}
    head = Changes(
        set={
            fields.INCARNATION: incarnation,
            fields.CHANGED_BY: terms.token,
            fields.STATUS: status,
            fields.STOPPING: "0",
            fields.PAUSED: "0",
            **({} if new_input is None else {fields.INPUT: new_input, **reset.used_inputs()}),
            **dict.fromkeys(map(fields.epoch, reset.discarded()), incarnation),
            **reset.latest_visits(),
        },
        delete=(*_RUN_FIELDS, *(name for name in reset.gone() if name not in written)),
        stamp={} if limit_ms is None else {fields.RUN_DEADLINE: limit_ms},
        entries={RUN: Due(within_ms=limit_ms)},
        index=moved(view.status, status, plan.pinned),
        events=(event("run_retried", incarnation=int(incarnation), steps=reset.ready, **wish.told()),),
    )
    guards = {fields.STATUS: view.status.value, fields.COMPENSATION: view[fields.COMPENSATION]}
    stage = Stage(guards, head | run_measured(plan, again=True) | going_on)
    commit = measured(plan, Commit(view.run_id, view.incarnation, (stage,)))
    return Move(commit, to=reset.ready[0], forks=tuple(reset.ready[1:]))


_RUN_FIELDS = (
    fields.REASON,
    fields.ERROR,
    fields.COMPENSATION,
    fields.UNDO_LIST,
    fields.UNDO_FAILED,
    fields.ENDED_AT,
    fields.STOPPED_AT,
    fields.PAUSED_AT,
    fields.SLOT,
    fields.FIRST_SIGNAL,
    fields.flow_state(""),
    fields.output(""),
    fields.closed(""),
    fields.closing_error(""),
)


class _Reset:
    """What of a run is kept, and where it goes on."""

    def __init__(self, plan: Plan, view: RunView, terms: Terms) -> None:
        self.plan = plan
        self.view = view
        self.terms = terms
        self.ready: list[str] = []
        self.changes: list[Changes] = []
        self.kept: set[str] = set()
        """Steps and flows; what belongs to them or lies inside of them is kept as well."""

    def flow(self, flow: str) -> None:
        """Go through a flow as the run did, as far as what it did is kept, and go on there."""
        if flow_at(self.plan, flow).last:
            self._needs_flow(flow)
        else:
            self._path(flow)

    def gone(self) -> list[str]:
        """Every field of a step or flow that is not kept, and every live set."""
        return [name for name in self.view.names() if not self._stays(name)]

    def discarded(self) -> list[str]:
        """The steps and undos whose result is discarded: their effects will be new ones, under new keys (RULES 9)."""
        dropped = [address for address in self.view.addresses() if not is_drain(address) and not self._belongs(address)]
        return [address for address in dropped if self._had_result(address)]

    def used_inputs(self) -> dict[str, str]:
        """The inputs of kept steps that may yet be undone, as they were before the run's input changed."""
        found: dict[str, str] = {}
        for address in self.view.addresses():
            if is_drain(address) or is_undo(address) or not self._belongs(address):
                continue
            node = node_at(self.plan, address)
            if node.undo is None or node.inputs is None:
                continue
            try:
                found[fields.used_inputs(address)] = json.dumps(evaluate_inputs(self.plan, self.view, address))
            except ExpressionError:
                continue
        return found

    def latest_visits(self) -> dict[str, str]:
        """Of loops: what the latest visit that is kept left, and which it was."""
        view, found = self.view, dict[str, str]()
        for address in sorted(self.kept, key=lambda address: view.number(fields.sequence(address))):
            if not address.endswith("]") and node_at(self.plan, address).loops:
                values = {f"{address}:{name}": view[f"{address}:{name}"] or "" for name in ("out", "err", "failures")}
                found |= latest(self.plan, address, view.state(address), values) | self._visit(address)
        return found

    def _path(self, flow: str) -> None:
        walked: list[str] = []
        address = within(flow, flow_at(self.plan, flow).entries[0])
        while self._is_kept(address):
            walked.append(address)
            following = self.view[fields.went_to(address)] or ""
            if following == FAIL:
                failed = self.view[fields.cause(address)] or address
                del walked[walked.index(failed) :]
                address = failed
                break
            if following.startswith(RUN) or flow_of(following) != flow or not following:
                self.kept.update(walked)
                self._end(flow, address)
                return
            address = following
        self.kept.update(walked)
        self._go_on(address)

    def _end(self, flow: str, last: str) -> None:
        """All steps of a flow are kept: only its end is to be decided again."""
        gate = within(flow, REST)
        self.changes.append(reach(self.plan, gate, self.terms.timing) | Changes(set={fields.ends(gate): last}))
        self.ready.append(gate)

    def _needs_flow(self, flow: str) -> None:
        steps = [within(flow, step) for step in flow_at(self.plan, flow).steps]
        kept: set[str] = set()
        while more := {one for one in steps if one not in kept and self._is_kept(one) and self._needed(one) <= kept}:
            kept |= more
        self.kept |= kept
        for address in (*steps, within(flow, SINK)):
            if address in kept:
                continue
            heard = self._needed(address) & kept
            self.changes.append(Changes(add=tuple((fields.settled_set(address), other) for other in sorted(heard))))
            if heard == self._needed(address):
                self._go_on(address)

    def _needed(self, address: str) -> set[str]:
        needs = node_at(self.plan, address).needs
        return set() if needs is None else {within(flow_of(address), name) for name in needs.needs}

    def _is_kept(self, address: str) -> bool:
        """Whether a step has succeeded and was not undone, or its failure was handled."""
        state = self.view.state(address)
        if address in self._undone_within:
            return False
        if state in _SUCCESSFUL:
            return self.view.state(undo_of(address)) is not StepState.COMPLETED
        needs = node_at(self.plan, address).needs
        handled = self.view[fields.went_to(address)] is not None or (needs is not None and needs.allow_failure)
        return state in UNSUCCESSFUL and handled

    def _go_on(self, address: str) -> None:
        """The run goes on at a step; in a container that has begun, at the steps inside that are not kept."""
        if is_container(self.plan, address) and self.view[fields.size(address)] is not None:
            self._container(address)
            return
        visit = self._visit(address)
        reached = reach(self.plan, address, self.terms.timing, cause=self.view[fields.cause(address)])
        self.changes.append(reached | Changes(set=visit))
        self.ready.append(address)

    def _visit(self, address: str) -> dict[str, str]:
        if parse_address(address).step in (SINK, REST) or not node_at(self.plan, address).loops:
            return {}
        here = parse_address(address)
        return {fields.visits(within(here.flow, here.step)): str(here.visit)}

    def _container(self, address: str) -> None:
        view, terms = self.view, container_at(self.plan, address)
        size = view.number(fields.size(address))
        begun = view.number(fields.begun(address), size)
        ended: dict[str, list[str]] = {StepState.COMPLETED: [], StepState.FAILED: []}
        flows = members(self.plan, address, size)[:begun]
        failures = sum(view[fields.flow_state(flow)] == StepState.FAILED for flow in flows)
        outlived = view.state(address) is not StepState.FAILED and terms.survives(size, failures)
        for flow in flows:
            if self._is_whole(flow, outlived=outlived):
                self.kept.add(flow)
                ended[view[fields.flow_state(flow)] or ""].append(key_of(flow))
            else:
                self.flow(flow)
        completed, failed = ended[StepState.COMPLETED], ended[StepState.FAILED]
        decided = terms.is_decided(size, len(completed), len(failed))
        waits = move_step(move_step(StepState.PENDING, StepHappening.REACH), StepHappening.WAIT)
        items = [fields.item(flow) for flow in members(self.plan, address, size)] if terms.items is not None else []
        sets = [(fields.completed_set(address), key) for key in completed]
        sets += [(fields.failed_set(address), key) for key in failed]
        sets += [(fields.over_set(address), key) for key in (*completed, *failed)]
        self.changes += (
            reach(self.plan, address, self.terms.timing, cause=view[fields.cause(address)]),
            Changes(
                set={
                    **({} if decided else {fields.state(address): waits}),
                    fields.size(address): str(size),
                    fields.begun(address): str(begun),
                    **{name: view[name] or "null" for name in items},
                    **({fields.first_failed(address): member(address, failed[0])} if failed else {}),
                    **self._visit(address),
                },
                stamp={} if terms.timeout_ms is None else {fields.deadline(address): terms.timeout_ms},
                entries={} if decided else {address: self._later(terms, begun < size)},
                add=tuple(sets),
            ),
        )
        if decided:
            self.ready.append(address)
        elif begun < size and self.plan.batch_body(terms) is not None:
            self.changes.append(reach(self.plan, lane_of(address, 0), self.terms.timing))
            self.ready.append(lane_of(address, 0))
        elif len(completed) + len(failed) == begun:  # nothing inside goes on: looked at, it begins further items
            self.ready.append(address)

    def _later(self, terms: Container, more: bool) -> Due:  # whether items are left to begin
        """When a container is looked at if nothing else happens: soon, if it may begin further items."""
        soon = self.terms.timing.resend_ms if more else None
        return Due(within_ms=min(filter(None, (soon, terms.timeout_ms)), default=None))

    def _is_whole(self, flow: str, *, outlived: bool) -> bool:
        """Whether a branch or item stays as it ended; one that failed does if its container has outlived that."""
        ended = self.view[fields.flow_state(flow)]
        if ended is None or flow in self._undone_within:
            return False
        return ended == StepState.COMPLETED or outlived

    @cached_property
    def _undone_within(self) -> frozenset[str]:
        """The containers and flows inside of which something was undone with the run, not because they had failed."""
        view = self.view
        undone = [undone_by(one) for one in view.addresses() if is_undo(one) and view.state(one) is StepState.COMPLETED]
        return frozenset(scope for step in undone for scope in scopes_around(step) if not self._was_given_up(step))

    def _was_given_up(self, step: str) -> bool:
        """Whether something that the step lies inside of had been stopped and undone while the run went on."""
        given_up = (scope for scope in scopes_around(step) if self.view[fields.state(drain_of(scope))] is not None)
        return any(is_inside(self.view, scope, step) for scope in given_up)

    def _had_result(self, address: str) -> bool:
        undone = self.view.state(undo_of(address)) is StepState.COMPLETED
        return self.view.returned(address) or undone

    def _stays(self, name: str) -> bool:
        owner, _, field = name.rpartition(":")
        if name.startswith(fields.TAKEN_BY) or field.startswith(fields.TOOK):
            return self._belongs(self.view[name] or "")  # else others may take it
        _, _, rest = name.partition(":")
        if name == fields.LIVE_COUNT or ":" in rest:  # a member or the number of a set, not a field of a step
            members_of, _, rest = rest.partition(":")
            return members_of != fields.LIVE_SET and self._belongs(rest.partition(":")[0])
        return not owner or field in _COUNTED or self._belongs(owner)

    def _belongs(self, address: str) -> bool:
        """Whether an address is kept, is the undo of one that is, or lies inside of one."""
        inner = undone_by(address)
        while inner and inner not in self.kept:
            inner = inner[: max(inner.rfind("/"), inner.rfind("["), 0)]
        return bool(inner)
