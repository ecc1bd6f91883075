"""Runs over HTTP, on state in memory."""

from __future__ import annotations

import pytest

from tests.unit.api.conftest import Receive, Reception
from tests.unit.surroundings import WORKFLOW

RUNS = f"workflows/{WORKFLOW}/runs"


@pytest.fixture
def reception(receive: Receive) -> Reception:
    """An API with one workflow."""
    made = receive()
    made.around.publish(search={"customer": "input.customer"})
    return made


def test_the_same_key_is_the_same_run(reception: Reception) -> None:
    """With another input it is a conflict."""
    client = reception.as_role("starter")
    headers = {"Idempotency-Key": "order-17"}

    first, again = (client.post(RUNS, json={"input": {"n": 1}}, headers=headers) for _ in range(2))
    other = client.post(RUNS, json={"input": {"n": 2}}, headers=headers)

    assert first.json() == again.json()
    assert first.headers["location"] == f"/api/v1/runs/{first.json()['run_id']}"
    assert (other.status_code, other.json()["code"]) == (409, "run_conflict")


def test_many_are_started_or_none(reception: Reception) -> None:
    """All are checked before the first is stored."""
    client = reception.as_role("starter")
    good = {"workflow": WORKFLOW, "input": {}}

    refused = client.post("/runs:batch", json={"runs": [good, {**good, "workflow": "no.such"}]})
    before = client.get("runs").json()["runs"]
    started = client.post("/runs:batch", json={"runs": [good] * 3})

    assert (refused.status_code, before) == (404, [])
    assert started.status_code == 202
    assert {one["run_id"] for one in started.json()["runs"]} == {
        run["run_id"] for run in client.get("runs").json()["runs"]
    }


def test_runs_are_paged_through_from_either_end(reception: Reception) -> None:
    """Each once."""
    client = reception.as_role("viewer")
    for number in range(5):
        reception.around.clock.move(10)
        reception.around.start(run_id=f"run-{number}")

    def ids(sort: str) -> list[str]:
        found, cursor = list[str](), None
        while True:
            page = client.get(
                "runs", params={"sort": sort, "limit": 2, **({"cursor": cursor} if cursor else {})}
            ).json()
            found += [run["run_id"] for run in page["runs"]]
            cursor = page["cursor"]
            if cursor is None:
                return found

    assert ids("oldest") == [f"run-{number}" for number in range(5)]
    assert ids("newest") == ids("oldest")[::-1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"where": "customer=41"}, ["run-41"]),
        ({"text": "RUN-4"}, ["run-42", "run-41"]),
        ({"text": "run-41"}, ["run-41"]),
        ({"text": "flow", "status": "running"}, ["run-42", "run-41"]),
        ({"text": "nothing"}, []),
        ({"status": "failed"}, []),
        ({"workflow": WORKFLOW, "version": "1.0.0", "since": "1h"}, ["run-42", "run-41"]),
    ],
)
def test_runs_are_found(reception: Reception, asked: dict[str, str], found: list[str]) -> None:
    """By all that is asked for."""
    for customer in (41, 42):
        reception.around.clock.move(10)
        reception.around.start(run_id=f"run-{customer}", input={"customer": customer})

    runs = reception.as_role("viewer").get("runs", params=asked).json()["runs"]

    assert [run["run_id"] for run in runs] == found


def test_a_retry_goes_on_where_the_run_failed_and_nowhere_else(reception: Reception) -> None:
    """`from_step` may name that place; any other is refused, and nothing happens."""
    run = reception.around.start()
    run.cancel()
    reception.around.work(run, "~")
    operator = reception.as_role("operator")

    other = operator.post(f"runs/{run.run_id}/retry", json={"from_step": "b"})
    there = operator.post(f"runs/{run.run_id}/retry", json={"from_step": "a"})

    assert (other.status_code, other.json()["code"]) == (409, "not_retriable")
    assert other.json()["details"]["goes_on_at"] == ["a"]
    assert (there.status_code, there.json()["incarnation"]) == (200, 2)


def test_history_is_read_in_pages(reception: Reception) -> None:
    """Each goes on behind the one before."""
    run = reception.around.start()
    run.pause()
    client = reception.as_role("viewer")

    first = client.get(f"runs/{run.run_id}/history", params={"limit": 1}).json()
    rest = client.get(f"runs/{run.run_id}/history", params={"after": first["after"]}).json()

    assert [event["type"] for event in (*first["events"], *rest["events"])] == ["run_started", "run_paused"]
    assert rest["after"] is None


def test_a_result_is_there_when_the_run_is_over(reception: Reception) -> None:
    """Until then it is a conflict."""
    run = reception.around.start(input={"n": 1})
    client = reception.as_role("viewer")
    early = client.get(f"runs/{run.run_id}/result")
    reception.around.work(run, "a")

    late = client.get(f"runs/{run.run_id}/result")

    assert (early.status_code, early.json()["code"]) == (409, "run_goes_on")
    assert (late.status_code, late.json()["status"]) == (200, "completed")


def test_a_version_is_shown_with_its_graph_and_its_schema(reception: Reception) -> None:
    """By number or as the latest."""
    client = reception.as_role("viewer")
    path = f"workflows/{WORKFLOW}/versions"

    shown = client.get(f"{path}/latest").json()
    graph = client.get(f"{path}/1.0.0/graph").json()

    assert (shown["version"], shown["definition"]["meta"]["key"]) == ("1.0.0", WORKFLOW)
    assert graph["plan"]["steps"][0]["id"] == "a"
    assert graph["mermaid"].startswith("flowchart")
    assert client.get(f"{path}/latest/input-schema").json() == {"type": "object"}


def test_versions_are_rolled_out_over_http(reception: Reception) -> None:
    """Published as YAML, given a share, deprecated."""
    admin = reception.as_role("admin")
    spec = f"meta: {{key: {WORKFLOW}, version: 1.1.0}}\nsteps: [{{id: a, wait: 1s}}]\n"

    published = admin.post("workflows", content=spec, headers={"Content-Type": "application/yaml"})
    split = admin.put(f"workflows/{WORKFLOW}/traffic", json={"weights": {"1.0.0": 90, "1.1.0": 10}})
    marked = admin.put(f"workflows/{WORKFLOW}/versions/1.0.0/deprecation", json={"reason": "old"})

    assert (published.status_code, published.json()["published"][0]["created"]) == (201, True)
    assert split.json()["weights"] == {"1.0.0": 90, "1.1.0": 10}
    assert marked.json()["deprecated_at"] is not None
    shares = {one["version"]: one["takes_percent"] for one in admin.get(f"workflows/{WORKFLOW}").json()}
    assert shares == {"1.0.0": 90.0, "1.1.0": 10.0}
    assert admin.delete(f"workflows/{WORKFLOW}/traffic").json()["weights"] is None


def test_a_child_is_reached_like_any_run(receive: Receive) -> None:
    """Its id holds slashes, encoded or not."""
    reception = receive()
    around = reception.around
    around.publish(key="test.child")
    around.publish({"id": "go", "workflow": "test.child"})
    parent = around.start(run_id="root")
    around.work(parent, "go")
    operator = reception.as_role("operator")

    for child in ("root%2Fgo%3A1", "root/go:1"):
        assert operator.get(f"runs/{child}").json()["parent"] == "root"
        assert operator.get(f"runs/{child}/status").json()["workflow"] == "test.child"
        assert operator.get(f"runs/{child}/history").json()["events"][0]["type"] == "run_started"
    assert operator.post("runs/root%2Fgo%3A1/cancel", json={}).json()["status"] == "compensating"
    assert operator.get("runs/root/go:2").json()["code"] == "unknown_run"


@pytest.mark.parametrize(
    ("incarnation", "code"), [(7.0, "not_retriable"), (7.5, "malformed_request"), ("7", "malformed_request")]
)
def test_a_whole_number_is_one_however_it_is_written(reception: Reception, incarnation: object, code: str) -> None:
    """As JSON Schema has it; text is none."""
    run = reception.around.start(input={})
    run.cancel()
    reception.around.work(run, "~")

    answer = reception.as_role("operator").post(f"runs/{run.run_id}/retry", json={"incarnation": incarnation})

    assert answer.json()["code"] == code


def test_why_a_run_does_not_move_is_told(reception: Reception) -> None:
    """To viewers; of a run that they know."""
    reception.around.start(run_id="run")
    client = reception.as_role("viewer")

    found, unknown = client.get("runs/run/why"), client.get("runs/nobody/why")

    assert (found.json()["reason"], [one["address"] for one in found.json()["steps"]]) == ("no_worker", ["a"])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_run")


def test_a_run_belongs_to_the_trace_of_the_request_that_starts_it(reception: Reception) -> None:
    """By the header, for all of a batch; a start's own goes before it, and a header that is none is left out."""
    client, store = reception.as_role("starter"), reception.around.store
    header, own = (f"00-{digit * 32}-{digit * 16}-01" for digit in "ab")
    runs = [{"workflow": WORKFLOW, "run_id": "one"}, {"workflow": WORKFLOW, "run_id": "two", "traceparent": own}]

    client.post("/runs:batch", json={"runs": runs}, headers={"traceparent": header})
    client.post(RUNS, json={"run_id": "three"}, headers={"traceparent": header})
    client.post(RUNS, json={"run_id": "four"}, headers={"traceparent": "nonsense"})

    kept = [store.read(run_id, ("trace",))[1]["trace"] for run_id in ("one", "two", "three", "four")]
    assert kept == [header, own, header, None]
