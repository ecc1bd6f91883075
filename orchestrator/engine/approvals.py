"""Approval steps: people are asked, and decide; reminders, further people and a time limit come from the ledger.

Who is asked is worked out once, when the step is reached. With mode `any` the first decision stands; with `all`,
`majority` and `sequential` each user decides once, the last in the order in which they are written. Whoever is asked by
an escalation decides alone. Asking for changes fails the step at once, in every mode.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final, Literal

from orchestrator.engine import fields
from orchestrator.engine.address import is_drain, is_lane, is_undo
from orchestrator.engine.arrivals import ground_of_waiting
from orchestrator.engine.commit import Changes, Commit, Due, Stage
from orchestrator.engine.ends import validator
from orchestrator.engine.indexes import event_index
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import flow_goes_on, node_at
from orchestrator.engine.roots import roots_for
from orchestrator.engine.settle import Ground, complete_step, fail_attempt, fail_waiting
from orchestrator.engine.stages import event
from orchestrator.engine.state import StepHappening, StepState, move_step
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Approval, Asked, Plan

Choice = Literal["approve", "reject", "request_changes"]

ALL_OPEN: Final = "asks/all"
"""The name under which every run is found in which an approval is open."""

_SAID: Final[Mapping[str, str]] = {
    "approve": "approved",
    "reject": "rejected",
    "request_changes": "changes_requested",
}


@value
class Decision:
    """What somebody decides; `form` is JSON, `at` RFC 3339."""

    by: str
    groups: tuple[str, ...]
    choice: Choice
    comment: str
    form: Any
    at: str


def user_name_of(user: str) -> str:
    """The name under which the approvals that ask a user are found."""
    return f"asks/user:{user}"


def group_name_of(group: str) -> str:
    """The name under which the approvals that ask a group are found."""
    return f"asks/group:{group}"


def is_approval(plan: Plan, address: str) -> bool:
    """Whether it is the address of an approval step."""
    if is_drain(address) or is_lane(address) or is_undo(address):
        return False
    return node_at(plan, address).approval is not None


def approval_at(plan: Plan, address: str) -> Approval:
    """What the approval step at an address asks; ValueError if there is none."""
    approval = node_at(plan, address).approval if not is_drain(address) and not is_undo(address) else None
    if approval is None:
        raise ValueError(f"{address} is no approval")
    return approval


def approval_reads(address: str) -> tuple[str, ...]:
    """The fields that a visit of an approval takes besides those of its settling."""
    names = (fields.asked, fields.decisions, fields.remind_at, fields.escalate_at)
    return tuple(name(address) for name in names)


# Asking.


def begin_asking(plan: Plan, view: RunView, address: str, ground: Ground, terms: Terms) -> Move:
    """The step asks from now on."""
    approval = approval_at(plan, address)
    try:
        asked = _whom(plan, view, address, approval)
    except ExpressionError as error:
        return fail_attempt(plan, view, address, Failure(error.code, error.message, retryable=False), ground, terms)
    names = [ALL_OPEN, *_names(asked)]
    moments = {
        fields.deadline: approval.timeout_ms,
        fields.remind_at: approval.remind_ms,
        fields.escalate_at: approval.escalate[0].after_ms if approval.escalate else None,
    }
    limits = {name(address): ms for name, ms in moments.items() if ms is not None}
    changes = Changes(
        set={
            fields.state(address): move_step(StepState.READY, StepHappening.WAIT),
            fields.asked(address): json.dumps(asked),
            fields.waits_for(address): json.dumps(names),
            fields.link_secret(address): blake2b(terms.token.encode(), digest_size=16, person=b"links").hexdigest(),
        },
        delete=(fields.decisions(address),),
        stamp={fields.started(address): 0, **limits},
        add=tuple((fields.waiting_set(name), address) for name in names),
        entries={address: Due(within_ms=min(limits.values(), default=None))},
        index={event_index(name): True for name in names},
        events=(event("step_waiting", address, users=asked["users"], groups=asked["groups"] or None),),
    )
    return Move(Commit(view.run_id, view.incarnation, (ground.stage(address, changes),)))


def _whom(plan: Plan, view: RunView, address: str, approval: Approval) -> dict[str, Any]:
    """Users and groups, those of each level of escalation, and whoever is asked by one already."""
    roots = roots_for(plan, view, approval.expressions, address=address)
    barred = view[fields.STARTED_BY] if approval.exclude_starter else None
    users, groups = _people(approval.asked, roots, address)
    users = [user for user in users if user != barred]
    if not users and not groups:
        raise ExpressionError(f"the approval of step {address!r} asks nobody" + (" but its starter" if barred else ""))
    levels = [dict(zip(("users", "groups"), _people(one, roots, address), strict=True)) for one in approval.escalate]
    return {"users": users, "groups": groups, "levels": levels, "level": 0, "barred": barred}


def _people(asked: Asked, roots: Mapping[str, Any], address: str) -> tuple[list[str], list[str]]:
    users, groups = (_texts(one.render(roots), address) for one in (asked.users, asked.groups))
    return users, groups


def _texts(found: Any, address: str) -> list[str]:
    """Each once; an expression may give one text or a list of them."""
    flat = [text for one in found for text in (one if isinstance(one, list) else [one])]
    if not all(isinstance(text, str) and text for text in flat):
        raise ExpressionError(f"the approval of step {address!r} asks somebody who is no text: {json.dumps(found)}")
    return list(dict.fromkeys(flat))


def _names(asked: Mapping[str, Any]) -> list[str]:
    return [*map(user_name_of, asked["users"]), *map(group_name_of, asked["groups"])]


# Deciding.


def open_approvals(plan: Plan, view: RunView) -> list[str]:
    """The approvals of a run that wait for a decision; needs the whole run."""
    waiting = (one for one in view.addresses() if view.state(one) is StepState.WAITING and is_approval(plan, one))
    return sorted(waiting, key=lambda one: (view.number(fields.started(one)), one))


def asked_by(plan: Plan, view: RunView, address: str) -> dict[str, Any]:
    """Whom an open approval asks, further people included, and how they decide: `{users, groups, mode}`."""
    asked = view.json(fields.asked(address))
    levels = asked["levels"][: asked["level"]]
    users = [*asked["users"], *(user for level in levels for user in level["users"])]
    groups = [*asked["groups"], *(group for level in levels for group in level["groups"])]
    return {"users": users, "groups": groups, "mode": approval_at(plan, address).mode}


def refusal(plan: Plan, view: RunView, address: str, by: str, groups: Collection[str]) -> str | None:
    """Why somebody may not decide an open approval, if so."""
    asked = view.json(fields.asked(address))
    if by == asked["barred"]:
        return f"{by!r} has started the run, and its starter may not decide"
    if _decides_alone(asked, by, groups):
        return None
    if by not in asked["users"] and not set(groups) & set(asked["groups"]):
        return f"{by!r} is not asked"
    decided = {one["by"] for one in _made(view, address)}
    if by in decided:
        return f"{by!r} has decided already"
    if approval_at(plan, address).mode == "sequential":
        following = next(user for user in asked["users"] if user not in decided)
        if by != following:
            return f"{following!r} is to decide first"
    return None


def form_problems(plan: Plan, address: str, decision: Decision) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the form of an approval, and where; one that rejects need not fill it in."""
    form = approval_at(plan, address).form
    if form is None or decision.choice != "approve":
        return []
    found = validator(json.dumps(form)).iter_errors(decision.form)
    return [(tuple(one.absolute_path), str(one.message)) for one in found]


def decide(plan: Plan, view: RunView, address: str, decision: Decision, terms: Terms) -> Move:
    """The move that records a decision which is allowed, and settles the step if it decides it."""
    told: dict[str, Any] = {
        "by": decision.by,
        "decision": _SAID[decision.choice],
        "at": decision.at,
        "comment": decision.comment,
        "form": decision.form,
    }
    made = [*_made(view, address), told]
    asked = view.json(fields.asked(address))
    ground = ground_of_waiting(plan, view, address, terms)
    ground = ground.with_guards({name: view[name] for name in (fields.decisions(address), fields.asked(address))})
    record = Changes(
        set={fields.decisions(address): json.dumps(made)},
        events=(event("approval_decision", address, **{name: told[name] or None for name in _TOLD}),),
    )
    alone = _decides_alone(asked, decision.by, decision.groups)
    outcome = told["decision"] if alone else _outcome(approval_at(plan, address).mode, asked["users"], made)
    if outcome is None:
        return Move(Commit(view.run_id, view.incarnation, (Stage(ground.guards, record),)))
    ground = ground.after(record)
    result = {**told, "decision": outcome, "decisions": made}
    if outcome == "approved":
        return complete_step(plan, view, address, json.dumps(result, separators=(",", ":")), ground, terms)
    said = f": {decision.comment}" if decision.comment else ""
    failure = Failure(outcome, f"{decision.by} {_SAYS[outcome]}{said}", result, retryable=False)
    return fail_attempt(plan, view, address, failure, ground, terms)


_TOLD: Final = ("by", "decision", "comment")
_SAYS: Final[Mapping[str, str]] = {"rejected": "rejected it", "changes_requested": "asked for changes"}


def _outcome(mode: str, users: list[str], made: list[dict[str, Any]]) -> str | None:
    """What the decisions that were made come to; None: others are to decide."""
    said = [one["decision"] for one in made]
    if mode == "any" or "changes_requested" in said:
        return str(said[-1])
    approved, rejected = said.count("approved"), said.count("rejected")
    if mode == "majority":
        if approved * 2 > len(users):
            return "approved"
        return "rejected" if (len(users) - rejected) * 2 <= len(users) else None
    if rejected:
        return "rejected"
    return "approved" if approved >= len(users) else None


def _decides_alone(asked: Mapping[str, Any], by: str, groups: Collection[str]) -> bool:
    """Whether somebody is asked by an escalation."""
    if by == asked["barred"]:
        return False
    reached = asked["levels"][: asked["level"]]
    return any(by in one["users"] or set(groups) & set(one["groups"]) for one in reached)


def _made(view: RunView, address: str) -> list[dict[str, Any]]:
    return view.json(fields.decisions(address)) or []


# Delegating, reminding, escalating.


def delegate(plan: Plan, view: RunView, address: str, by: str, to: str, terms: Terms) -> Move:
    """The move by which somebody who is asked has another decide; a user instead, of a group besides."""
    asked = view.json(fields.asked(address))
    users = asked["users"]
    replaced = [to if user == by else user for user in users] if by in users else [*users, to]
    names = view.json(fields.waits_for(address))
    name = user_name_of(to)
    changes = Changes(
        set={
            fields.asked(address): json.dumps({**asked, "users": list(dict.fromkeys(replaced))}),
            fields.waits_for(address): json.dumps(list(dict.fromkeys((*names, name)))),
        },
        add=((fields.waiting_set(name), address),),
        index={event_index(name): True},
        events=(event("approval_delegated", address, by=by, to=to),),
    )
    ground = ground_of_waiting(plan, view, address, terms)
    ground = ground.with_guards({name: view[name] for name in (fields.asked(address), fields.decisions(address))})
    return Move(Commit(view.run_id, view.incarnation, (Stage(ground.guards, changes),)))


def visit_approval(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """What the sweeper does with an open approval that is due: end it, ask further people, remind, or look later."""
    limit = view.moment(fields.deadline(address))
    if limit is not None and view.now_ms >= limit:
        failure = Failure("wait_timeout", "nobody decided in time", retryable=False)
        return fail_waiting(plan, view, address, failure, terms)
    approval, asked = approval_at(plan, address), view.json(fields.asked(address))
    escalates = view.moment(fields.escalate_at(address))
    reminds = view.moment(fields.remind_at(address))
    changes = Changes()
    if escalates is not None and view.now_ms >= escalates:
        changes, escalates = _escalated(view, address, approval, asked, escalates)
    elif reminds is not None and view.now_ms >= reminds:
        reminds = view.now_ms + (approval.remind_ms or 0)
        told = event(
            "approval_reminder", address, users=_undecided(view, address, asked), groups=asked["groups"] or None
        )
        changes = Changes(set={fields.remind_at(address): str(reminds)}, events=(told,))
    moments = [moment for moment in (limit, escalates, reminds) if moment is not None]
    changes |= Changes(entries={address: Due(at_ms=min(moments, default=None))})
    guards = {
        **flow_goes_on(plan, address),
        fields.state(address): StepState.WAITING.value,
        fields.asked(address): view[fields.asked(address)],
    }
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes, due=(address,)),)))


def _escalated(
    view: RunView, address: str, approval: Approval, asked: Mapping[str, Any], at_ms: int
) -> tuple[Changes, int | None]:
    """The changes by which the next level is asked as well, and when the one after it will be."""
    level = int(asked["level"])
    people = asked["levels"][level]
    more = approval.escalate[level + 1 :]
    following = at_ms + more[0].after_ms - approval.escalate[level].after_ms if more else None
    names = [one for one in _names(people) if one not in view.json(fields.waits_for(address))]
    changes = Changes(
        set={
            fields.asked(address): json.dumps({**asked, "level": level + 1}),
            fields.waits_for(address): json.dumps([*view.json(fields.waits_for(address)), *names]),
            **({} if following is None else {fields.escalate_at(address): str(following)}),
        },
        delete=(fields.escalate_at(address),) if following is None else (),
        add=tuple((fields.waiting_set(name), address) for name in names),
        index={event_index(name): True for name in names},
        events=(event("approval_escalated", address, users=people["users"], groups=people["groups"] or None),),
    )
    return changes, following


def _undecided(view: RunView, address: str, asked: Mapping[str, Any]) -> list[str]:
    decided = {one["by"] for one in _made(view, address)}
    return [user for user in asked["users"] if user not in decided]


# Links.


def link_token(view: RunView, address: str, user: str) -> str:
    """The token of the link by which a user may decide; nobody guesses it who does not know the run's secret."""
    secret = view[fields.link_secret(address)] or ""
    return blake2b(user.encode(), key=secret.encode(), digest_size=16).hexdigest()


def is_link_token(view: RunView, address: str, user: str, token: str) -> bool:
    """Whether a token is that of the user's link."""
    return bool(view[fields.link_secret(address)]) and compare_digest(link_token(view, address, user), token)
