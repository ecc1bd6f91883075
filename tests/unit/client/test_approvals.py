"""The inbox of approvals: what is in it for whom, page by page."""

from __future__ import annotations

import pytest

from orchestrator.client.approvals import RedisApprovals
from orchestrator.client.audit import Actor, Audit
from orchestrator.client.handle import RedisRunHandle
from orchestrator.errors import InvalidInput, InvalidRequest, StepNotWaiting
from tests.unit.surroundings import WORKFLOW, Surroundings

ASK = {"id": "ask", "title": "May they?", "timeout": "2d"}
FORM = {"type": "object", "required": ["centre"], "properties": {"centre": {"type": "string"}}}


def asking(**approval: object) -> Surroundings:
    """A workflow with one approval."""
    around = Surroundings()
    around.publish({**ASK, "approval": approval})
    return around


def asked(around: Surroundings, count: int = 1) -> list[RedisRunHandle]:
    """So many runs that wait for a decision, the newest first."""
    runs = []
    for _ in range(count):
        around.clock.move(1)
        runs.append(around.start())
        around.work(runs[-1], "ask")
    return runs[::-1]


def inbox(around: Surroundings, user: str = "ann") -> RedisApprovals:
    """The approvals as somebody's client sees them."""
    audit = Audit(actor=Actor(user))
    return RedisApprovals(around.settings, around.store, around.client.catalogue, around.dispatcher, audit)


def test_pages_go_on_where_the_one_before_ended() -> None:
    """Newest runs first, each once, also if somebody is asked by several names."""
    around = asking(users=["ann"], groups=["board", "door"])
    runs = asked(around, 5)

    first = inbox(around).page_seen("ann", ["board", "door"], limit=2)
    second = inbox(around).page_seen("ann", ["board", "door"], limit=9, cursor=first.cursor)

    assert [one.run_id for one in (*first.approvals, *second.approvals)] == [run.run_id for run in runs]
    assert second.cursor is None


def test_a_page_that_looked_long_enough_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cursor goes on; the list of them all is whole."""
    monkeypatch.setattr("orchestrator.client.approvals.LOOKED_AT", 2)
    around = asking(users=["ann", "bob"], mode="sequential")
    runs = asked(around, 4)
    inbox(around).decide(runs[-1].run_id, "ask", "approve", by="ann")

    page = inbox(around).page_seen("bob", limit=2)

    assert (page.approvals, page.cursor is None) == ((), False)
    assert [one.run_id for one in inbox(around).list("bob")] == [runs[-1].run_id]


def test_pages_are_of_a_workflow_or_of_patterns() -> None:
    """What a key may not see is not in them."""
    around = asking(users=["ann"])
    asked(around)

    assert len(inbox(around).page_seen(workflow=WORKFLOW, patterns=["test.*"]).approvals) == 1
    assert inbox(around).page_seen(workflow="other.flow").approvals == ()
    assert inbox(around).page_seen(patterns=["other.*"]).approvals == ()


def test_a_list_of_all_says_why_one_may_not_decide() -> None:
    """Who is asked further, and when, is said as well."""
    around = asking(users=["ann"], remind="1h", escalate=[{"after": "3h", "groups": ["board"]}])
    asked(around)

    (ann,), (bob,) = inbox(around).list(), inbox(around, "bob").list()

    assert (ann.refused, bob.refused) == (None, "'bob' is not asked")
    assert ann.escalate_to == {"users": [], "groups": ["board"]}
    assert None not in (ann.remind_at, ann.escalate_at, ann.due_at)


def test_a_form_that_is_wrong_says_where() -> None:
    """Each problem by its path, as those of inputs are."""
    around = asking(users=["ann"], form=FORM)
    (run,) = asked(around)

    with pytest.raises(InvalidInput, match="the form: 7 is not of type 'string'") as caught:
        inbox(around).decide(run.run_id, "ask", "approve", by="ann", form={"centre": 7})

    assert caught.value.details["problems"] == [{"path": "form.centre", "message": "7 is not of type 'string'"}]


def test_one_that_waits_no_more_is_told() -> None:
    """And so is a cursor that is none."""
    around = asking(users=["ann"])
    (run,) = asked(around)
    assert inbox(around).asked(run.run_id, "ask").title == "May they?"
    inbox(around).decide(run.run_id, "ask", "approve", by="ann")

    with pytest.raises(StepNotWaiting):
        inbox(around).asked(run.run_id, "ask")
    with pytest.raises(InvalidRequest, match="not a cursor"):
        inbox(around).page_seen(cursor="nonsense")
