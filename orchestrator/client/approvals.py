"""What waits for people: finding open approvals, deciding them, having others decide."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.audit import Audit
from orchestrator.client.inputs import checked_json
from orchestrator.client.masking import mask_of
from orchestrator.client.operating import Operating
from orchestrator.client.redaction import Mask
from orchestrator.client.shown import OpenApproval
from orchestrator.client.surface import Approvals
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.approvals import (
    ALL_OPEN,
    Choice,
    Decision,
    approval_at,
    asked_by,
    decide,
    delegate,
    form_problem,
    group_name_of,
    is_link_token,
    link_token,
    open_approvals,
    refusal,
    user_name_of,
)
from orchestrator.engine.indexes import event_index
from orchestrator.engine.look import is_halted
from orchestrator.engine.onward import Move
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.view import RunView
from orchestrator.errors import InvalidInput, InvalidRequest, NotAsked, StepNotWaiting, UnknownRun
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.store.port import Store

PAGE = 100


@dataclass(frozen=True, slots=True)
class RedisApprovals(Approvals):
    """Open approvals over Redis."""

    settings: Settings
    store: Store
    versions: Versions
    dispatcher: Dispatcher
    audit: Audit = field(default_factory=Audit)

    @override
    def mine(self, *, limit: int = PAGE) -> Sequence[OpenApproval]:
        return self.list(self.audit.actor.user, limit=limit)

    @override
    def list(
        self, user: str | None = None, groups: Collection[str] = (), *, limit: int = PAGE
    ) -> Sequence[OpenApproval]:
        names = [ALL_OPEN] if user is None else [user_name_of(user), *map(group_name_of, groups)]
        found: list[OpenApproval] = []
        for run_id in dict.fromkeys(run for name in names for run in self._runs(name)):
            found += self._open_in(run_id, user, groups)
            if len(found) >= limit:
                break
        return found[:limit]

    @override
    def decide(
        self,
        run_id: str,
        step: str,
        choice: Choice,
        *,
        by: str = "",
        groups: Collection[str] = (),
        comment: str = "",
        form: Any = None,
    ) -> None:
        self._decide(run_id, step, choice, by or self.audit.actor.user, groups, comment, form, token=None)

    @override
    def decide_by_link(
        self, run_id: str, step: str, choice: Choice, *, by: str, token: str, comment: str = "", form: Any = None
    ) -> None:
        self._decide(run_id, step, choice, by, (), comment, form, token=token)

    @override
    def delegate(self, run_id: str, step: str, to: str, *, by: str = "", groups: Collection[str] = ()) -> None:
        operating, who = self._operating(run_id), by or self.audit.actor.user
        if not to:
            raise InvalidRequest("name somebody to delegate to")

        def move(plan: Plan, view: RunView) -> Move:
            self._check_open(plan, operating.going_on(view), step)
            self._check_asked(plan, view, step, who, groups)
            return delegate(plan, view, step, who, to, operating.terms())

        with self.audit.acting("delegate", _target(run_id, step), f"to {to}", who):
            operating.settle(move)

    @override
    def link_token(self, run_id: str, step: str, user: str) -> str:
        operating = self._operating(run_id)
        with self.audit.acting("make_link", _target(run_id, step), f"for {user}"):
            view = operating.view()
            self._check_open(operating.plan(view), view, step)
            return link_token(view, step, user)

    def _decide(
        self,
        run_id: str,
        step: str,
        choice: Choice,
        by: str,
        groups: Collection[str],
        comment: str,
        form: Any,
        *,
        token: str | None,
    ) -> None:
        operating = self._operating(run_id)
        filled = json.loads(checked_json(form, self.settings.max_payload_bytes, name="form"))

        def move(plan: Plan, view: RunView) -> Move:
            self._check_open(plan, operating.going_on(view), step)
            if token is not None and not is_link_token(view, step, by, token):
                raise NotAsked("the link is not one of this approval, or not for this person", run_id=run_id, step=step)
            member_of = tuple(view.json(fields.asked(step))["groups"] if token is not None else groups)
            self._check_asked(plan, view, step, by, member_of)
            decision = Decision(by, member_of, choice, comment, filled, rfc3339(view.now_ms))
            if (problem := form_problem(plan, step, decision)) is not None:
                raise InvalidInput(f"the form: {problem}", run_id=run_id, step=step)
            return decide(plan, view, step, decision, operating.terms())

        with self.audit.acting(choice, _target(run_id, step), comment, by):
            operating.settle(move)

    def _check_open(self, plan: Plan, view: RunView, step: str) -> None:
        if step not in open_approvals(plan, view) or is_halted(plan, view, step):
            waiting = ", ".join(open_approvals(plan, view)) or "none"
            raise StepNotWaiting(f"step {step!r} of run {view.run_id} waits for no decision; those that do: {waiting}")

    def _check_asked(self, plan: Plan, view: RunView, step: str, by: str, groups: Collection[str]) -> None:
        if (why := refusal(plan, view, step, by, groups)) is not None:
            raise NotAsked(why, run_id=view.run_id, step=step)

    def _open_in(self, run_id: str, user: str | None, groups: Collection[str]) -> Iterator[OpenApproval]:
        operating = self._operating(run_id)
        try:
            view = operating.view()
        except UnknownRun:
            return
        plan = operating.plan(view)
        for step in open_approvals(plan, view):
            if not is_halted(plan, view, step) and (user is None or refusal(plan, view, step, user, groups) is None):
                yield _shown(plan, view, step, mask_of(plan, self.settings, view))

    def _runs(self, name: str) -> Iterator[str]:
        before: tuple[int, str] | None = None
        while page := self.store.newest(event_index(name), before, PAGE):
            yield from (run_id for _, run_id in page)
            before = page[-1]

    def _operating(self, run_id: str) -> Operating:
        return Operating(run_id, self.settings, self.store, self.versions, self.dispatcher)


def _target(run_id: str, step: str) -> str:
    return f"runs/{run_id}/steps/{step}"


def _shown(plan: Plan, view: RunView, step: str, mask: Mask) -> OpenApproval:
    approval, asked = approval_at(plan, step), asked_by(plan, view, step)
    due = view.moment(fields.deadline(step))
    step_id = step.rpartition("/")[2].partition("#")[0]
    return OpenApproval(
        run_id=view.run_id,
        workflow=plan.key,
        version=plan.version,
        step=step,
        title=plan.nodes[step_id].title,
        mode=approval.mode,
        users=tuple(asked["users"]),
        groups=tuple(asked["groups"]),
        asked_at=rfc3339(view.number(fields.started(step))),
        due_at=None if due is None else rfc3339(due),
        decisions=tuple(mask.value(view.json(fields.decisions(step)) or [], "steps", step_id, "output", "decisions")),
        form=None if approval.form is None else dict(approval.form),
    )
