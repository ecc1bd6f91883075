"""Approvals, schedules and external events over HTTP, on state in memory."""

from __future__ import annotations

from orchestrator.store.events import Burial, Miss
from tests.unit.api.conftest import Receive, Reception
from tests.unit.surroundings import WORKFLOW


def test_open_approvals_are_paged(receive: Receive) -> None:
    """Of all, each says why the key's user may not decide it."""
    reception = receive()
    around = reception.around
    around.publish({"id": "ask", "approval": {"users": ["ann"]}})
    for _ in range(3):
        around.clock.move(1)
        around.work(around.start(), "ask")
    client = reception.as_role("operator")

    first = client.get("approvals", params={"all": True, "limit": 2, "workflow": WORKFLOW}).json()
    second = client.get("approvals", params={"all": True, "cursor": first["cursor"]}).json()

    assert (len(first["approvals"]), len(second["approvals"]), second["cursor"]) == (2, 1, None)
    assert first["approvals"][0]["refused"] == "'operator-user' is not asked"
    assert client.get("approvals", params={"cursor": "x"}).json()["code"] == "invalid_request"


def test_the_slots_of_a_range_are_listed(receive: Receive) -> None:
    """For viewers of the workflow; a range that is none is refused."""
    reception = receive()
    reception.around.publish(triggers=[{"schedule": {"name": "tick", "every": "1s"}}])
    reception.around.client.schedules.reconcile(WORKFLOW)
    client, path = reception.as_role("viewer"), f"workflows/{WORKFLOW}/schedules/tick/slots"

    found = client.get(path, params={"since": "5s", "limit": 1}).json()

    assert (found["count"], [one["run_id"] for one in found["slots"]]) == (6, [None])
    assert client.get(path, params={"since": "nonsense"}).status_code == 422
    assert reception.as_role("viewer", workflows=("other.*",)).get(path, params={"since": "5s"}).status_code == 404


def test_near_misses_are_told_to_operators(receive: Receive) -> None:
    """By trigger, with the moment of the event and what the filter said."""
    reception = receive()
    reception.around.events.miss(Miss("a.b/placed", "1700000000000-0", "there is no total"))

    answer = reception.as_role("operator").get("events/misses")

    assert answer.json()["misses"] == [
        {
            "trigger": "a.b/placed",
            "entry_id": "1700000000000-0",
            "at": "2023-11-14T22:13:20.000Z",
            "error": "there is no total",
        }
    ]
    assert reception.as_role("starter").get("events/misses").status_code == 403


def test_events_are_read_backwards_too(receive: Receive) -> None:
    """Those before an entry, oldest first, as always."""
    reception: Reception = receive()
    events = reception.around.client.events
    for name in ("a", "b", "c"):
        events.emit(type="t", id=name)
    *_, last = events.tail()

    found = reception.as_role("operator").get("events", params={"before": last.entry_id, "count": 2}).json()

    assert [one["event"]["id"] for one in found["entries"]] == ["a", "b"]


def test_replaying_and_discarding_are_audited_with_the_reason(receive: Receive) -> None:
    """Whichever way it is given."""
    reception = receive()
    reception.around.events.bury([Burial(f"{n}-0", "{}", "no event") for n in (1, 2)])
    first, second = reception.around.client.events.dead()
    client = reception.as_role("operator")

    assert client.post(f"events/dead/{first.id}/replay", json={"reason": "again"}).json() == {"count": 1}
    assert client.delete(f"events/dead/{second.id}", params={"reason": "a test"}).json() == {"count": 1}
    told = [(one.action, one.reason) for one in reception.access.read(None, 10)]
    assert ("replay_event", "again") in told
    assert ("discard_event", "a test") in told
