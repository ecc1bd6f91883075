"""Whose trace a run belongs to, and when spans are exported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased
from opentelemetry.trace import get_current_span

from orchestrator.telemetry import (
    Telemetry,
    child_span_id,
    context_of,
    current_traceparent,
    is_on,
    is_traceparent,
    parse_traceparent,
    run_span_id,
    trace_id_of,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OFF = """
import sys
import redis
before = set(sys.modules)
import orchestrator, orchestrator.runtime.app, orchestrator.monitor.readers, orchestrator.client.sync
from orchestrator.telemetry import Telemetry, current_traceparent
assert current_traceparent() is None
assert Telemetry.here("n") is None
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] == "opentelemetry"))
"""


def test_off_nothing_of_it_is_loaded() -> None:
    """By a client, a worker or a listener; redis-py by itself loads the metrics of an OpenTelemetry that is there."""
    done = subprocess.run([sys.executable, "-c", OFF], check=True, capture_output=True, text=True, env={})

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
    ],
)
def test_the_standard_variables_say_whether_there_are_traces(env: dict[str, str], *, expected: bool) -> None:
    """An endpoint or an exporter by name; not if it is none, or the SDK is off."""
    assert is_on(env) is expected


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        TRACEPARENT[:-1],
        "ff" + TRACEPARENT[2:],
        TRACEPARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
    ],
)
def test_what_is_no_traceparent_is_left_out(text: str | None) -> None:
    """As the W3C says."""
    assert not is_traceparent(text)
    assert parse_traceparent(text) is None


def test_the_current_span_is_told_as_it_was_given() -> None:
    """So that a run continues its producer's trace."""
    tracer = TracerProvider().get_tracer("test")
    parent = parse_traceparent(TRACEPARENT)
    assert parent is not None

    with tracer.start_as_current_span("work", context=context_of(parent)):
        current = parse_traceparent(current_traceparent())

    assert current is not None
    assert (current.trace_id, current.sampled) == (parent.trace_id, True)
    assert current.span_id != parent.span_id
    assert not get_current_span().get_span_context().is_valid


def test_ids_follow_from_the_run() -> None:
    """A family is one trace; each run and each life of it has a span of its own; installations differ."""
    assert trace_id_of("n", "run") == trace_id_of("n", "run/pay/1")
    assert len({trace_id_of("n", "run"), trace_id_of("n", "other"), trace_id_of("m", "run")}) == 3
    ids = {run_span_id("n", "run", 1), run_span_id("n", "run", 2), run_span_id("n", "run/pay/1", 1)}
    assert len(ids | {child_span_id("n", "run/pay/1")}) == 4
    assert run_span_id("n", "run", 1) == run_span_id("n", "run", "1")


def test_a_sampler_keeps_whole_traces_or_nothing_of_them() -> None:
    """Every process decides the same for a run, whoever asks."""
    ratio = [Telemetry(TracerProvider(sampler=TraceIdRatioBased(0.5)), "n") for _ in range(2)]
    kept = {run: {one.parent(run, 1, None).sampled for one in ratio} for run in map(str, range(50))}

    assert all(len(said) == 1 for said in kept.values())
    assert {one for said in kept.values() for one in said} == {True, False}


def test_the_producer_s_decision_stands() -> None:
    """Also against a sampler of ours."""
    telemetry = Telemetry(TracerProvider(sampler=ALWAYS_OFF), "n")

    assert telemetry.parent("run", 1, TRACEPARENT).sampled
    assert not telemetry.parent("run", 1, TRACEPARENT[:-1] + "0").sampled
