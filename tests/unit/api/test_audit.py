"""What is written down of each request that changes something, done or denied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from orchestrator.client.access import Role
from orchestrator.client.jobs import Jobs
from tests.unit.api.conftest import Receive, Reception
from tests.unit.api.test_access import CHANGES
from tests.unit.surroundings import WORKFLOW

SPEC = '{"meta": {"key": "a.b", "version": "1.0.0"}, "steps": [{"id": "w", "wait": "1s"}]}'
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "paid"}
SPAN = {"since": "2023-11-14T22:13:15Z", "until": "2023-11-14T22:13:20Z"}


class Change(NamedTuple):
    """What is sent along, and what the audit log calls it."""

    action: str
    body: Any = None
    kind: str = "application/json"
    denied: str = ""
    """What it is called where it is denied, before the body is read that says which it is."""


BODIES: Mapping[tuple[str, str], Change] = {
    ("POST", f"workflows/{WORKFLOW}/runs"): Change("start", {}),
    ("POST", "runs:batch"): Change("start", {"runs": [{"workflow": WORKFLOW}]}),
    **{("POST", f"runs/r/{verb}"): Change(verb) for verb in ("cancel", "pause", "resume", "retry", "undo")},
    ("POST", "runs/r/skip"): Change("skip", {"step": "a"}),
    ("POST", "runs/r/waive"): Change("waive", {"step": "a~"}),
    ("POST", "runs/r/signals"): Change("signal", {"name": "go"}),
    ("POST", "runs/r/approvals/a/decision"): Change("approve", {"decision": "approve"}, denied="decide"),
    ("POST", "runs/r/approvals/a/delegate"): Change("delegate", {"to": "bob"}),
    ("POST", "runs/r/approvals/a/links"): Change("make_link", {"user": "ann"}),
    **{
        ("POST", f"workflows/{WORKFLOW}/schedules/s/{verb}"): Change(f"{verb}_schedule")
        for verb in ("pause", "resume", "trigger")
    },
    ("POST", f"workflows/{WORKFLOW}/schedules/s/backfill"): Change("backfill_schedule", SPAN),
    ("POST", "events"): Change("emit", EVENT, "application/cloudevents+json"),
    ("POST", "events/dead/e/replay"): Change("replay_event"),
    ("DELETE", "events/dead/e"): Change("discard_event"),
    ("POST", "jobs"): Change("cancel_many", {"verb": "cancel", "filter": {}}, denied="create_job"),
    ("POST", "alerts/a/acknowledge"): Change("acknowledge_alert", {}),
    ("POST", "alerts/a/resolve"): Change("resolve_alert", {}),
    ("POST", "alert-channels/c/test"): Change("test_channel"),
    ("POST", "alert-deliveries/d/replay"): Change("replay_alert"),
    ("POST", "workflows"): Change("publish", SPEC, "application/json"),
    ("PUT", f"workflows/{WORKFLOW}/traffic"): Change("set_traffic", {"weights": {"1.0.0": 1}}),
    ("DELETE", f"workflows/{WORKFLOW}/traffic"): Change("clear_traffic"),
    ("PUT", f"workflows/{WORKFLOW}/versions/1.0.0/deprecation"): Change("deprecate"),
    ("DELETE", f"workflows/{WORKFLOW}/versions/1.0.0/deprecation"): Change("undeprecate"),
    ("POST", "workers/w@h/drain"): Change("drain_worker"),
    ("POST", "workers/w@h/resume"): Change("resume_worker"),
    ("POST", "workers/w@h/shutdown"): Change("shut_down_worker"),
    ("POST", "workers/w@h/pool/grow"): Change("grow_pool", {"count": 1}),
    ("POST", "workers/w@h/pool/shrink"): Change("shrink_pool", {"count": 1}),
    ("PUT", "workers/w@h/queues/q"): Change("add_consumer"),
    ("DELETE", "workers/w@h/queues/q"): Change("cancel_consumer"),
    ("PUT", "workers/w@h/tasks/t/time-limit"): Change("limit_time", {"hard_s": 5}),
    ("PUT", "workers/w@h/tasks/t/rate-limit"): Change("limit_rate", {"rate": "5/s"}),
    ("DELETE", "workers/w@h"): Change("forget_worker"),
    ("POST", "keys"): Change("create_key", {"user": "x", "role": "viewer"}),
    ("DELETE", "keys/k"): Change("revoke_key"),
}
CHANGING = [(method, path, needed) for method, path, needed in CHANGES if method != "GET"]


def send(client: Any, method: str, path: str) -> tuple[Change, Any]:
    """The request of the table, and its answer."""
    change = BODIES[method, path]
    headers = {"Content-Type": change.kind}
    if isinstance(change.body, str):
        return change, client.request(method, f"/{path}", content=change.body, headers=headers)
    options = {} if change.body is None else {"json": change.body}
    return change, client.request(method, f"/{path}", headers=headers if options else {}, **options)


@pytest.fixture
def reception(receive: Receive) -> Reception:
    """An API before a workflow with a schedule, of which a run waits for a decision."""
    reception = receive()
    around = reception.around
    around.publish(
        {"id": "a", "approval": {"users": ["admin-user"]}}, triggers=[{"schedule": {"name": "s", "every": "1s"}}]
    )
    around.client.schedules.reconcile(WORKFLOW)
    around.work(around.start(run_id="r"), "a")
    reception.app.state.jobs = Jobs(around.client, around.store.sibling("jobs"))
    return reception


@pytest.mark.parametrize(("method", "path", "needed"), CHANGING)
def test_each_change_is_an_entry(reception: Reception, method: str, path: str, needed: Role) -> None:
    """Who, what, from where, and what came of it: done, or the code of the answer."""
    client = reception.as_role("admin")

    change, answer = send(client, method, path)

    entries = [one for one in reception.access.read(None, 10) if one.user == "admin-user"]
    assert [one.action for one in entries] == [change.action], answer.text
    assert entries[0].outcome == ("done" if answer.is_success else answer.json()["code"])
    assert (entries[0].source, entries[0].key != "") == ("192.0.2.7", True)


@pytest.mark.parametrize(("method", "path", "needed"), CHANGING)
def test_what_is_denied_bears_the_same_name(reception: Reception, method: str, path: str, needed: Role) -> None:
    """So that looking for one finds the other."""
    below = list(Role)[list(Role).index(needed) - 1]

    change, answer = send(reception.as_role(below), method, path)

    (entry, *_) = reception.access.read(None, 10)
    assert answer.status_code == 403
    assert (entry.action, entry.outcome) == (change.denied or change.action, "forbidden")


@pytest.mark.parametrize(("method", "path", "needed"), CHANGING)
def test_a_key_for_other_workflows_is_denied_and_noted(
    reception: Reception, method: str, path: str, needed: Role
) -> None:
    """Whether it is told so, or that there is nothing; a list of runs that a job is for is empty then."""
    client = reception.as_role("admin", workflows=["other.*"])

    change, answer = send(client, method, path)

    assert answer.status_code in (403, 404, 202)
    (entry, *_) = (one for one in reception.access.read(None, 10) if one.user == "admin-user")
    assert entry.action in (change.action, change.denied)
