"""What waits for people: finding open approvals, deciding them, having others decide."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

from typing_extensions import override

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.access import may_see
from orchestrator.client.approval_surface import Approvals
from orchestrator.client.audit import Audit
from orchestrator.client.inputs import checked_json, path_of
from orchestrator.client.masking import mask_of
from orchestrator.client.operating import Operating
from orchestrator.client.redaction import Mask
from orchestrator.client.shown import ApprovalPage, OpenApproval
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
    form_problems,
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
LOOKED_AT = 500
"""Runs that one page looks at, at most."""

_Place = tuple[int, str]


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
        found: list[OpenApproval] = []
        cursor: str | None = None
        while len(found) < limit:
            page = self.page_seen(user, groups, limit=limit - len(found), cursor=cursor)
            found += page.approvals
            if (cursor := page.cursor) is None:
                break
        return found[:limit]

    def page_seen(
        self,
        user: str | None = None,
        groups: Collection[str] = (),
        *,
        limit: int = PAGE,
        cursor: str | None = None,
        workflow: str | None = None,
        patterns: Sequence[str] = (),
    ) -> ApprovalPage:
        """A page of what `list` gives, of a workflow or of those that the patterns name; it may be short.

        Without a person, `groups` are those of whom this client acts for, who is told why they may not decide.
        """
        names = [ALL_OPEN] if user is None else [user_name_of(user), *map(group_name_of, groups)]
        before = None if cursor is None else _place(cursor)
        places = merge(*(self._runs(name, before) for name in names), reverse=True)
        found: list[OpenApproval] = []
        looked_at, last = 0, before
        while chunk := list(islice(places, max(limit - len(found), 1))):
            fresh = [place for place in dict.fromkeys(chunk) if place != last]
            ids = [run_id for _, run_id in fresh]
            workflows = [one[fields.WORKFLOW] for one in self.store.read_many(ids, (fields.WORKFLOW,))]
            for place, key in zip(fresh, workflows, strict=True):
                last = place
                if key is not None and key == (workflow or key) and may_see(patterns, key):
                    found += self._open_in(place[1], user, groups)
                if len(found) >= limit:
                    return ApprovalPage(tuple(found), _cursor(last))
            looked_at += len(fresh)
            if last is not None and looked_at >= LOOKED_AT:
                return ApprovalPage(tuple(found), _cursor(last))
        return ApprovalPage(tuple(found))

    def asked(self, run_id: str, step: str, groups: Collection[str] = ()) -> OpenApproval:
        """One that waits for a decision, and why whoever asks may not take it; StepNotWaiting if it is not open."""
        operating = self._operating(run_id)
        view = operating.view()
        plan = operating.plan(view)
        self._check_open(plan, view, step)
        why_not = refusal(plan, view, step, self.audit.actor.user, groups)
        return _shown(plan, view, step, mask_of(plan, self.settings, view), why_not)

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
            if found := form_problems(plan, step, decision):
                problems = [{"path": path_of("form", path), "message": message} for path, message in found]
                raise InvalidInput(f"the form: {found[0][1]}", run_id=run_id, step=step, problems=problems)
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
            if is_halted(plan, view, step):
                continue
            why_not = refusal(plan, view, step, user or self.audit.actor.user, groups)
            if user is None or why_not is None:
                yield _shown(plan, view, step, mask_of(plan, self.settings, view), why_not)

    def _runs(self, name: str, before: _Place | None) -> Iterator[_Place]:
        while page := self.store.newest(event_index(name), before, PAGE):
            yield from page
            before = page[-1]

    def _operating(self, run_id: str) -> Operating:
        return Operating(run_id, self.settings, self.store, self.versions, self.dispatcher)


def _target(run_id: str, step: str) -> str:
    return f"runs/{run_id}/steps/{step}"


def _shown(plan: Plan, view: RunView, step: str, mask: Mask, why_not: str | None) -> OpenApproval:
    approval, asked = approval_at(plan, step), asked_by(plan, view, step)
    step_id = step.rpartition("/")[2].partition("#")[0]
    due_at, remind_at, escalate_at = (
        None if at is None else rfc3339(at)
        for at in (view.moment(name(step)) for name in (fields.deadline, fields.remind_at, fields.escalate_at))
    )
    kept = view.json(fields.asked(step))
    further = kept["levels"][kept["level"]] if escalate_at and kept["level"] < len(kept["levels"]) else None
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
        due_at=due_at,
        decisions=tuple(mask.value(view.json(fields.decisions(step)) or [], "steps", step_id, "output", "decisions")),
        form=None if approval.form is None else dict(approval.form),
        started_by=view[fields.STARTED_BY],
        barred=kept["barred"],
        remind_at=remind_at,
        escalate_at=escalate_at,
        escalate_to=further,
        refused=why_not,
    )


def _cursor(place: _Place) -> str:
    return f"{place[0]}-{place[1]}"


def _place(cursor: str) -> _Place:
    moment, _, run_id = cursor.partition("-")
    if not moment.isdecimal() or not run_id:
        raise InvalidRequest(f"{cursor!r} is not a cursor; take the one that the page before gave")
    return int(moment), run_id
