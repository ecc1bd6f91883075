"""Traces of real processes, as a collector gets them by OTLP: one a run, across workers, children and the API."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from orchestrator import Start, Step
from orchestrator.local import LocalRedis
from tests.collector import Collector, Received
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, server_of, token, until
from tests.integration.workflows import charge_step, upper_step, workflow

pytestmark = pytest.mark.integration

TRACE = "0af7651916cd43dd8448eb211c80319c"
PRODUCER = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PRODUCER}-01"
FAMILY = (
    workflow("leaf", upper_step("c")),
    workflow(
        "traced",
        upper_step("a", queue="left"),
        Step(id="nap", wait="300ms"),
        upper_step("b", queue="right"),
        Step(id="pay", workflow="tests.leaf"),
    ),
    workflow("declined", charge_step(retry={"max_attempts": 2, "delay": "100ms"})),
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """One for all tests of this module."""
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def traced(
    shared_server: LocalRedis, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[System]:
    """Two workers of queues of their own, beat, listener and API, which all export."""
    with pytest.MonkeyPatch.context() as env:
        env.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        env.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        env.setenv("OTEL_SERVICE_NAME", "shop")
        system = System(shared_server, tmp_path_factory.mktemp("traced"), broker_url=shared_server.url(3))
    system.publish(*FAMILY)
    system.start_worker("left", queues=("default", "left"))
    system.start_worker("right", queues=("right",), pool="threads")
    system.start_beat()
    system.start_listener()
    system.start_api()
    yield system.ready()
    system.close()


def spans_of(collector: Collector, trace_id: str, *names: str) -> dict[str, Received]:
    """The spans of a trace by their names, as soon as all of these are there."""

    def found() -> dict[str, Received]:
        return {span.name: span for span in collector.of(trace_id)}

    until(lambda: set(names) <= found().keys(), f"{names} are exported")
    return found()


TREE = (
    "run tests.traced",
    "step tests.traced a",
    "wait nap",
    "step tests.traced b",
    "workflow pay",
    "run tests.leaf",
    "step tests.leaf c",
)


def check_tree(collector: Collector, spans: dict[str, Received]) -> None:
    """One trace; each span hangs where it belongs, and each is there once."""
    run, leaf = spans["run tests.traced"], spans["run tests.leaf"]
    of_run = ("step tests.traced a", "wait nap", "step tests.traced b", "workflow pay")
    assert {spans[name].parent_id for name in of_run} == {run.span_id}
    assert leaf.parent_id == spans["workflow pay"].span_id
    assert spans["step tests.leaf c"].parent_id == leaf.span_id
    ids = [span.span_id for span in collector.of(run.trace_id)]
    assert len(ids) == len(set(ids)) == len(TREE)


def test_a_run_is_one_trace_across_workers_and_through_its_child(traced: System, collector: Collector) -> None:
    """The producer's trace goes on in it; attempts are told by both workers."""
    (run,) = traced.client.start_many([Start("tests.traced", traceparent=TRACEPARENT)])

    ended(run)
    spans = spans_of(collector, TRACE, *TREE)

    check_tree(collector, spans)
    assert spans["run tests.traced"].parent_id == PRODUCER
    attempt = spans["step tests.traced b"]
    assert attempt.service == "shop"
    assert attempt.attributes["messaging.destination.name"] == "right"
    assert attempt.attributes["orchestrator.run_id"] == run.run_id
    assert spans["run tests.traced"].attributes["orchestrator.status"] == "completed"
    assert spans["wait nap"].ended_ns - spans["wait nap"].began_ns >= 250e6
    assert spans["run tests.traced"].began_ns <= attempt.began_ns <= attempt.ended_ns


def test_a_run_that_nobody_with_a_trace_has_started_has_its_own(traced: System, collector: Collector) -> None:
    """Its ids follow from the run's, whoever makes a span."""
    run = traced.client.start("tests.traced")

    ended(run)
    until(lambda: any(span.name == "run tests.traced" for span in collector.of_run(run.run_id)), "the run is told")
    trace_id = collector.of_run(run.run_id)[0].trace_id
    spans = spans_of(collector, trace_id, *TREE)

    check_tree(collector, spans)
    assert spans["run tests.traced"].parent_id == ""


def test_the_header_of_the_api_is_the_producer(traced: System, collector: Collector) -> None:
    """W3C's `traceparent`."""
    trace_id = "1" * 32
    body = json.dumps({"run_id": "over-http"}).encode()
    headers = {
        "Authorization": f"Bearer {token(traced, 'starter')}",
        "Content-Type": "application/json",
        "traceparent": f"00-{trace_id}-{PRODUCER}-01",
    }
    url = f"{server_of(traced)}/api/v1/workflows/tests.traced/runs"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)):  # loopback
        pass

    ended(traced.client.handle("over-http"))
    spans = spans_of(collector, trace_id, *TREE)

    assert spans["run tests.traced"].parent_id == PRODUCER


def test_an_event_s_trace_goes_on_in_the_run_that_it_starts(traced: System, collector: Collector) -> None:
    """CloudEvents' extension `traceparent`."""
    trace_id = "2" * 32
    traced.publish(workflow("heard", upper_step("a"), triggers=[{"event": {"name": "t", "type": "traced.come"}}]))

    traced.client.events.emit(type="traced.come", source="/test", traceparent=f"00-{trace_id}-{PRODUCER}-01")

    assert spans_of(collector, trace_id, "run tests.heard")["run tests.heard"].parent_id == PRODUCER


def test_each_attempt_has_a_span_with_its_error_s_code(traced: System, collector: Collector) -> None:
    """And not what the provider said."""
    run = traced.client.start("tests.declined", {"method": "pm_flaky_9"})

    ended(run)
    until(lambda: any(span.name == "run tests.declined" for span in collector.of_run(run.run_id)), "the run is told")
    until(lambda: len(_attempts(collector, run.run_id)) == 2, "both attempts are told")

    codes = {span.failed for span in _attempts(collector, run.run_id)}
    (own,) = [span for span in collector.of_run(run.run_id) if span.name == "run tests.declined"]
    assert codes == {own.failed} == {own.attributes["error.type"]}
    assert own.attributes["orchestrator.status"] == "failed"
    assert "pm_" not in str(collector.of_run(run.run_id))


def _attempts(collector: Collector, run_id: str) -> list[Received]:
    return [span for span in collector.of_run(run_id) if span.name.startswith("step ")]


def test_what_was_not_sent_is_sent_when_a_worker_ends(
    make_system: MakeSystem, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it would have waited with it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    system = make_system()
    system.publish(*FAMILY)
    worker = system.start_worker()
    system.start_beat()
    system.ready()
    run = system.client.start("tests.leaf")
    ended(run)

    worker.ask_to_end()

    until(lambda: collector.of_run(run.run_id), "its spans are sent")


def test_a_collector_that_is_away_holds_nobody_up(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither runs, nor the end of a worker."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    system = make_system()
    system.publish(*FAMILY)
    worker = system.start_worker()
    system.start_beat()
    system.ready()
    runs = [system.client.start("tests.leaf") for _ in range(20)]

    assert {ended(run).status for run in runs} == {"completed"}

    until(lambda: system.queued() == 0, "the worker has taken what there is")
    worker.ask_to_end()
    until(lambda: not worker.running, "the worker ends", timeout_s=40)
