from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator import define_workflow
from orchestrator.client.approvals import RedisApprovals
from orchestrator.errors import InvalidInput, NotAsked, RunOver, StepNotWaiting
from orchestrator.testing import Harness, Run

AMOUNT = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer"}}}


def asking(harness: Harness, given: Any = None, *, timeout: str | None = None, **approval: Any) -> Run:
    """A run that asks for an approval, and waits."""
    spec = define_workflow(
        meta={"key": "test.ask", "version": "1.0.0"},
        steps=[
            {
                "id": "ask",
                "approval": {"exclude_starter": False, **approval},
                **({"timeout": timeout} if timeout else {}),
            }
        ],
    )
    return harness(spec).start(given).until("ask").advance(0)


def inbox(run: Run, user: str | None = None, *groups: str) -> list[str]:
    """The steps that somebody is asked to decide."""
    handle = run.handle
    approvals = RedisApprovals(handle.dispatcher.settings, handle.store, handle.versions, handle.dispatcher)
    return [one.step for one in approvals.list(user, groups)]


def kinds(run: Run, *wanted: str) -> list[str]:
    """The events of these kinds, in order."""
    return [event["type"] for event in run.history if event["type"] in wanted]


def test_the_first_decision_stands(harness: Harness) -> None:
    """Mode any: its output says who decided what, when, and with which form."""
    run = asking(harness, users=["ann", "bob"], form=AMOUNT)

    run.approve("ask", by="bob", comment="fine", form={"amount": 7}).finish()

    output = run.step("ask").output
    assert {name: output[name] for name in ("decision", "by", "comment", "form")} == {
        "decision": "approved",
        "by": "bob",
        "comment": "fine",
        "form": {"amount": 7},
    }
    assert run.status == "completed"


@pytest.mark.parametrize(("choice", "code"), [("reject", "rejected"), ("request_changes", "changes_requested")])
def test_what_is_not_approved_fails_the_step(harness: Harness, choice: str, code: str) -> None:
    """With a code that no policy retries, and the decision in its details."""
    run = asking(harness, groups=["managers"])

    getattr(run, choice)("ask", by="ann", groups=["managers"], comment="too dear").finish()

    assert run.error["code"] == code
    assert run.error["message"].endswith("too dear")
    assert run.error["details"]["by"] == "ann"


@pytest.mark.parametrize(
    ("mode", "decisions", "status"),
    [
        ("all", ["approve", "approve"], "running"),
        ("all", ["approve", "approve", "approve"], "completed"),
        ("all", ["approve", "reject"], "failed"),
        ("majority", ["approve"], "running"),
        ("majority", ["approve", "reject"], "running"),
        ("majority", ["approve", "approve"], "completed"),
        ("majority", ["reject", "reject"], "failed"),
        ("sequential", ["approve", "approve", "approve"], "completed"),
        ("sequential", ["approve", "request_changes"], "failed"),
    ],
)
def test_a_mode_says_how_many_have_to_decide(harness: Harness, mode: str, decisions: list[str], status: str) -> None:
    """Of three who are asked."""
    run = asking(harness, users=["ann", "bob", "cleo"], mode=mode)

    for by, choice in zip(("ann", "bob", "cleo"), decisions, strict=False):
        getattr(run, choice)("ask", by=by)

    assert run.advance(0).status == status


def test_in_a_sequence_the_next_one_decides_first(harness: Harness) -> None:
    """And nobody decides twice."""
    run = asking(harness, users=["ann", "bob"], mode="sequential")

    with pytest.raises(NotAsked, match="'ann' is to decide first"):
        run.approve("ask", by="bob")
    run.approve("ask", by="ann")
    with pytest.raises(NotAsked, match="has decided already"):
        run.approve("ask", by="ann")

    assert inbox(run, "ann") == []
    assert inbox(run, "bob") == ["ask"]


def test_only_who_is_asked_may_decide(harness: Harness) -> None:
    """By name, or by group; the inbox shows it to nobody else."""
    run = asking(harness, users=["ann"], groups=["managers"])

    with pytest.raises(NotAsked, match="'bob' is not asked"):
        run.approve("ask", by="bob", groups=["clerks"])

    assert inbox(run, "bob", "clerks") == []
    assert inbox(run, "bob", "managers") == inbox(run, "ann") == inbox(run) == ["ask"]


def test_the_starter_is_barred_unless_said_otherwise(harness: Harness) -> None:
    """Also as a member of a group that is asked."""
    run = asking(harness, groups=["managers"], exclude_starter=True)
    starter = run.handle.describe().started_by

    with pytest.raises(NotAsked, match="its starter may not decide"):
        run.approve("ask", by=starter, groups=["managers"])

    run.approve("ask", by="somebody", groups=["managers"]).finish()
    assert run.status == "completed"


def test_whom_expressions_name_is_asked(harness: Harness) -> None:
    """One text, or a list of them, each once."""
    run = asking(harness, {"team": ["ann", "bob"], "lead": "ann"}, users=["${input.team}", "${input.lead}"], mode="all")

    run.approve("ask", by="ann").approve("ask", by="bob").finish()

    assert [one["by"] for one in run.step("ask").output["decisions"]] == ["ann", "bob"]


@pytest.mark.parametrize("users", ["${input.nobody}", "${input.number}"])
def test_an_approval_that_asks_nobody_fails(harness: Harness, users: str) -> None:
    """An empty list, or somebody who is no text."""
    run = asking(harness, {"nobody": [], "number": [5]}, users=[users])

    assert run.error["code"] == "expression_error"


def test_a_form_that_is_not_filled_in_right_is_refused(harness: Harness) -> None:
    """Nothing is recorded; who rejects need not fill it in."""
    run = asking(harness, users=["ann"], form=AMOUNT)

    with pytest.raises(InvalidInput, match="'amount' is a required property"):
        run.approve("ask", by="ann", form={})

    assert run.status == "running"
    run.reject("ask", by="ann").finish()
    assert run.error["code"] == "rejected"


def test_an_open_approval_says_whom_it_asks(harness: Harness) -> None:
    """Those whom an escalation asks are among them."""
    run = asking(harness, users=["ann"], escalate=[{"after": "1h", "groups": ["board"]}])

    run.advance("1h")

    assert run.step("ask").waits_for == {"users": ["ann"], "groups": ["board"], "mode": "any"}


def test_people_are_reminded_until_they_decide(harness: Harness) -> None:
    """Once an interval, those who have not decided."""
    run = asking(harness, users=["ann", "bob"], mode="all", remind="1h")
    run.approve("ask", by="ann")

    run.advance("2h30m")

    reminders = [event for event in run.history if event["type"] == "approval_reminder"]
    assert [event["users"] for event in reminders] == [["bob"], ["bob"]]


def test_further_people_are_asked_when_nobody_decides(harness: Harness) -> None:
    """Level by level, each counted from the start; whoever is asked so decides alone."""
    levels = [{"after": "1h", "users": ["boss"]}, {"after": "3h", "users": ["chair"]}]
    run = asking(harness, users=["ann", "bob"], mode="all", escalate=levels)

    run.advance("1h")
    assert inbox(run, "boss") == ["ask"]
    assert inbox(run, "chair") == []
    run.advance("2h")
    assert inbox(run, "chair") == ["ask"]

    run.approve("ask", by="boss").finish()
    assert run.step("ask").output["by"] == "boss"
    assert kinds(run, "approval_escalated") == ["approval_escalated"] * 2


def test_an_approval_that_nobody_decides_in_time_fails(harness: Harness) -> None:
    """Its due time is the step's timeout."""
    run = asking(harness, users=["ann"], timeout="2d", remind="1d")

    run.finish()

    assert run.error["code"] == "wait_timeout"
    assert run.duration == timedelta(days=2)
    with pytest.raises(RunOver):
        run.approve("ask", by="ann")


def test_a_user_is_replaced_by_whom_they_delegate_to(harness: Harness) -> None:
    """At the same place; of a group, the other is asked besides."""
    run = asking(harness, users=["ann", "bob"], mode="sequential")
    handle = run.handle
    approvals = RedisApprovals(handle.dispatcher.settings, handle.store, handle.versions, handle.dispatcher)

    approvals.delegate(handle.run_id, "ask", "dora", by="ann")

    assert inbox(run, "ann") == []
    assert inbox(run, "dora") == ["ask"]
    run.approve("ask", by="dora").approve("ask", by="bob").finish()
    assert run.status == "completed"


def test_a_link_is_for_one_person(harness: Harness) -> None:
    """Its token cannot be used by another, nor guessed."""
    run = asking(harness, users=["ann", "bob"])
    handle = run.handle
    approvals = RedisApprovals(handle.dispatcher.settings, handle.store, handle.versions, handle.dispatcher)
    token = approvals.link_token(handle.run_id, "ask", "ann")

    for user, wrong in (("bob", token), ("ann", "0" * 32), ("ann", "")):
        with pytest.raises(NotAsked, match="not for this person"):
            approvals.decide_by_link(handle.run_id, "ask", "approve", by=user, token=wrong)

    approvals.decide_by_link(handle.run_id, "ask", "approve", by="ann", token=token)
    assert run.finish().step("ask").output["by"] == "ann"


def test_a_run_that_is_cancelled_asks_nobody_any_more(harness: Harness) -> None:
    """Neither the inbox nor a decision finds it."""
    run = asking(harness, users=["ann"])

    run.cancel().finish()

    assert inbox(run) == []
    assert run.step("ask").state == "cancelled"


def test_only_an_open_approval_is_decided(harness: Harness) -> None:
    """The error names those that are."""
    run = asking(harness, users=["ann"])

    with pytest.raises(StepNotWaiting, match="those that do: ask"):
        run.approve("aks", by="ann")
