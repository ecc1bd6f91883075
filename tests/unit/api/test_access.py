"""Who gets in, what their role allows, and what is written down of it."""

from __future__ import annotations

import pytest
from starlette.routing import compile_path

from orchestrator.api.access import BY_LINK
from orchestrator.client.access import Role
from tests.unit.api.conftest import Receive
from tests.unit.surroundings import WORKFLOW

CHANGES = [
    ("POST", f"workflows/{WORKFLOW}/runs", Role.STARTER),
    ("POST", "runs:batch", Role.STARTER),
    *(("POST", f"runs/r/{verb}", Role.OPERATOR) for verb in ("cancel", "pause", "resume", "retry", "undo")),
    ("POST", "runs/r/skip", Role.OPERATOR),
    ("POST", "runs/r/waive", Role.OPERATOR),
    ("POST", "runs/r/signals", Role.STARTER),
    ("POST", "runs/r/approvals/a/decision", Role.STARTER),
    ("POST", "runs/r/approvals/a/delegate", Role.STARTER),
    ("POST", "runs/r/approvals/a/links", Role.OPERATOR),
    *(
        ("POST", f"workflows/{WORKFLOW}/schedules/s/{verb}", Role.OPERATOR)
        for verb in ("pause", "resume", "trigger", "backfill")
    ),
    ("POST", "events", Role.STARTER),
    ("GET", "events", Role.OPERATOR),
    ("GET", "events/misses", Role.OPERATOR),
    ("POST", "events/dead/e/replay", Role.OPERATOR),
    ("DELETE", "events/dead/e", Role.OPERATOR),
    ("POST", "jobs", Role.OPERATOR),
    ("POST", "alerts/a/acknowledge", Role.OPERATOR),
    ("POST", "alerts/a/resolve", Role.OPERATOR),
    ("POST", "alert-channels/c/test", Role.ADMIN),
    ("POST", "alert-deliveries/d/replay", Role.OPERATOR),
    ("POST", "workflows", Role.ADMIN),
    ("PUT", f"workflows/{WORKFLOW}/traffic", Role.ADMIN),
    ("DELETE", f"workflows/{WORKFLOW}/traffic", Role.ADMIN),
    ("PUT", f"workflows/{WORKFLOW}/versions/1.0.0/deprecation", Role.ADMIN),
    ("DELETE", f"workflows/{WORKFLOW}/versions/1.0.0/deprecation", Role.ADMIN),
    *(("POST", f"workers/w@h/{verb}", Role.ADMIN) for verb in ("drain", "resume", "shutdown")),
    *(("POST", f"workers/w@h/pool/{verb}", Role.ADMIN) for verb in ("grow", "shrink")),
    ("PUT", "workers/w@h/queues/q", Role.ADMIN),
    ("DELETE", "workers/w@h/queues/q", Role.ADMIN),
    ("PUT", "workers/w@h/tasks/t/time-limit", Role.ADMIN),
    ("PUT", "workers/w@h/tasks/t/rate-limit", Role.ADMIN),
    ("GET", "workers/w@h/inspection", Role.ADMIN),
    ("DELETE", "workers/w@h", Role.ADMIN),
    ("POST", "keys", Role.ADMIN),
    ("DELETE", "keys/k", Role.ADMIN),
    ("GET", "keys", Role.ADMIN),
    ("GET", "audit", Role.ADMIN),
]


@pytest.mark.parametrize(("method", "path", "needed"), CHANGES)
def test_a_role_below_is_refused_and_noted(receive: Receive, method: str, path: str, needed: Role) -> None:
    """403 with the code, and who, what, from where."""
    below = list(Role)[list(Role).index(needed) - 1]
    reception = receive()

    answer = reception.as_role(below).request(method, f"/{path}", headers={"User-Agent": "probe"})

    (entry,) = reception.access.read(None, 10)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (entry.outcome, entry.user, entry.target) == ("forbidden", f"{below}-user", path)
    assert (entry.source, entry.agent) == ("192.0.2.7", "probe")


def test_every_route_that_changes_something_is_in_the_table_above(receive: Receive) -> None:
    """A route that is added is tried with a role that is too low."""
    paths = receive().app.openapi()["paths"]

    changing = {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "get"}
    untried = {
        (method, path)
        for method, path in changing
        if not any(method == one and compile_path(path)[0].match(f"/api/v1/{tried}") for one, tried, _ in CHANGES)
    }

    assert untried == {("POST", BY_LINK)}, "what needs no key"


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer orc_1_2", "Basic YTpi", f"Bearer orc_{'0' * 12}_{'0' * 64}"]
)
def test_without_a_valid_key_nobody_gets_in(receive: Receive, header: str | None) -> None:
    """Not even to be told that there is nothing at a path; only health needs none."""
    client = receive().anybody()
    headers = {} if header is None else {"Authorization": header}

    answers = [client.get(path, headers=headers) for path in ("runs", "nowhere")]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert client.get("health").status_code == client.get("ready").status_code == 200


def test_a_key_over_its_rate_is_told_when_to_come_again(receive: Receive) -> None:
    """429 with Retry-After, in whole seconds."""
    client = receive(rate_per_s=0.5, rate_burst=2).as_role("viewer")

    answers = [client.get("workflows") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "2"


def test_without_keys_only_this_machine_gets_in(receive: Receive) -> None:
    """Not a page of another site in a browser here, and not by another name."""
    client = receive(access=False).anybody()

    alone = client.get("workflows")
    page = client.post("keys", headers={"Origin": "https://evil.example"})
    rebound = client.get("workflows", headers={"Host": "evil.example"})

    assert (alone.status_code, page.status_code, rebound.status_code) == (200, 403, 403)


def test_what_was_done_is_noted_with_its_reason(receive: Receive) -> None:
    """And what could not be done, with why."""
    reception = receive()
    reception.around.publish()
    run = reception.around.start()
    operator = reception.as_role("operator")

    done = operator.post(f"runs/{run.run_id}/pause", json={"reason": "the bank is down"})
    refused = operator.post(f"runs/{run.run_id}/undo")

    undo, pause, _start = reception.access.read(None, 10)
    assert (done.status_code, refused.status_code) == (200, 409)
    assert (pause.action, pause.target, pause.reason) == ("pause", f"runs/{run.run_id}", "the bank is down")
    assert (undo.action, undo.outcome, undo.user) == ("undo", "run_goes_on", "operator-user")
    assert {"by": "operator-user", "reason": "the bank is down"}.items() <= run.history()[-1].event.items()


def test_a_run_belongs_to_the_user_of_the_key(receive: Receive) -> None:
    """And its start is in the audit log."""
    reception = receive()
    reception.around.publish()

    started = reception.as_role("starter").post(f"workflows/{WORKFLOW}/runs", json={})

    shown = reception.around.client.get(started.json()["run_id"]).describe()
    (entry,) = reception.access.read(None, 10)
    assert (started.status_code, shown.started_by) == (202, "starter-user")
    assert (entry.action, entry.target) == ("start", f"runs/{shown.run_id}")


def test_the_audit_log_is_narrowed_down(receive: Receive) -> None:
    """By outcome and by what it was done to; `before` is where to go on, while there is more."""
    reception = receive()
    reception.around.publish()
    run = reception.around.start()
    reception.as_role("viewer").post(f"runs/{run.run_id}/pause")
    reception.as_role("operator").post(f"runs/{run.run_id}/pause")
    admin = reception.as_role("admin")

    denied = admin.get("audit", params={"outcome": "denied"}).json()
    paused = admin.get("audit", params={"target": run.run_id, "limit": 1}).json()

    assert [one["user"] for one in denied["entries"]] == ["viewer-user"]
    assert denied["before"] is None
    assert [one["user"] for one in paused["entries"]] == ["operator-user"]
    assert paused["before"] == paused["entries"][0]["id"]


def test_a_key_for_some_workflows_gets_no_further(receive: Receive) -> None:
    """It can make no other keys and read no audit log, whatever its role; and takes no hidden run's id for its own."""
    reception = receive()
    reception.around.publish()
    reception.around.start(run_id="taken")
    admin = reception.as_role("admin", workflows=["other.*"])

    assert admin.get("workflows").json() == {"workflows": []}
    assert [admin.get(path).status_code for path in ("keys", "audit", "stats")] == [403] * 3
    assert sum(admin.get("stats/workflows").json()["live"].values()) == 0
    assert admin.post("keys", json={"user": "x", "role": "admin"}).status_code == 403
    assert admin.post(f"workflows/{WORKFLOW}/runs", json={}).status_code == 404
    assert admin.post("runs/taken/cancel").json()["code"] == "unknown_run"
    assert reception.access.all_keys()[0].user == "admin-user"
    assert len(reception.access.all_keys()) == 1
