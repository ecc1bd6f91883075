"""Traces: which spans a run has, whose trace it belongs to, and where spans go. Off, nothing of this is loaded.

Every run has a trace and a span of its own whose ids follow from its id, so that any process can hang a span below
without asking: the trace is that of whoever started the run (its W3C `traceparent` is kept with the run and handed down
to its children), else it follows from the id of the root. Spans are exported by OTLP if the standard variables of
OpenTelemetry say so.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext

_log = logging.getLogger("orchestrator.telemetry")

FLUSH_S: Final = 3.0
"""So long a process that ends waits for its last spans to be taken."""
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRUE: Final = frozenset({"true", "1"})


@dataclass(frozen=True, slots=True)
class Parent:
    """A span that others hang below."""

    trace_id: int
    span_id: int
    sampled: bool


# Whose trace it is.


def is_traceparent(text: str | None) -> bool:
    """Whether it is one of the W3C's; others are left out, as its rules say."""
    return text is not None and _TRACEPARENT.fullmatch(text) is not None


def parse_traceparent(text: str | None) -> Parent | None:
    """The span that a `traceparent` names; None if it is none."""
    match = None if text is None else _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    return Parent(int(match[1], 16), int(match[2], 16), bool(int(match[3], 16) & 1))


def current_traceparent() -> str | None:
    """That of the span that is current here, if anything in this process has ever had to do with traces."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}" if span.is_valid else None


def trace_id_of(namespace: str, run_id: str) -> int:
    """The trace of a run whose root nobody with a trace has started."""
    return _derived(f"{namespace}\0{run_id.partition('/')[0]}", 16)


def run_span_id(namespace: str, run_id: str, incarnation: int | str) -> int:
    """The span of one life of a run."""
    return _derived(f"{namespace}\0{run_id}\0{incarnation}", 8)


def child_span_id(namespace: str, run_id: str) -> int:
    """The span of the step that has started this run, below which its own span hangs."""
    return _derived(f"{namespace}\0{run_id}\0step", 8)


@lru_cache(maxsize=4096)
def _derived(text: str, size: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size, person=b"trace").digest()) or 1


# Where spans go.


def is_on(env: Mapping[str, str] | None = None) -> bool:
    """Whether the standard variables name an exporter: an endpoint, or `OTEL_TRACES_EXPORTER=otlp`."""
    given = os.environ if env is None else env
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() in _TRUE:
        return False
    wanted = [one.strip() for one in given.get("OTEL_TRACES_EXPORTER", "").split(",") if one.strip()]
    return "otlp" in wanted if wanted else any(given.get(name, "").strip() for name in ENDPOINTS)


def exporter() -> SpanExporter:
    """The exporter that the variables describe: OTLP over HTTP, or over gRPC where that is asked for and installed."""
    protocols = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((os.environ[name] for name in protocols if os.environ.get(name)), "http/protobuf")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # type: ignore[import-not-found]  # noqa: PLC0415
            OTLPSpanExporter as OverGrpc,
        )

        over_grpc: SpanExporter = OverGrpc()
        return over_grpc
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter()


def make_provider() -> TracerProvider:
    """What makes spans, by the variables: its resource and its sampler."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    named = "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "") or os.environ.get("OTEL_SERVICE_NAME")
    resource = Resource.create({} if named else {SERVICE_NAME: "orchestrator"})
    return TracerProvider(resource=resource, shutdown_on_exit=False)


class Telemetry:
    """The tracing of one process: made after a fork, so that its threads are its own."""

    def __init__(self, provider: Any, namespace: str) -> None:
        self._provider = provider
        self.namespace = namespace
        self.tracer = provider.get_tracer("orchestrator")

    @staticmethod
    def here(namespace: str) -> Telemetry | None:
        """That of this process; None if tracing is off, or cannot be had, which is logged.

        Spans go where the process sends its own, if it has said so before; else to the exporter of the variables,
        and the spans of operations go with them.
        """
        if not is_on():
            return None
        try:
            return Telemetry(_provider(), namespace)
        except ImportError as error:
            _log.warning("traces are to be exported, but %s; install orchestrator[otel]", error)
            return None

    def parent(self, run_id: str, incarnation: int | str, traceparent: str | None) -> Parent:
        """The span of a run, for those below it; `traceparent`: as the run has it."""
        given = parse_traceparent(traceparent)
        span_id = run_span_id(self.namespace, run_id, incarnation)
        if given is not None:
            return Parent(given.trace_id, span_id, given.sampled)
        trace_id = trace_id_of(self.namespace, run_id)
        return Parent(trace_id, span_id, samples(self._provider, trace_id))

    def shutdown(self) -> None:
        """Send what is left, for a moment; whoever takes spans and does not answer holds nobody up."""
        ending = threading.Thread(target=self._shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(FLUSH_S)

    def _shutdown(self) -> None:
        if hasattr(self._provider, "shutdown"):
            self._provider.shutdown()


def samples(provider: Any, trace_id: int) -> bool:
    """Whether a trace that begins here is one of those that are kept."""
    sampler = getattr(provider, "sampler", None)
    return sampler is None or sampler.should_sample(None, trace_id, "run").decision.is_sampled()


def span_context(one: Parent) -> SpanContext:
    """As OpenTelemetry has it."""
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415

    flags = TraceFlags(TraceFlags.SAMPLED if one.sampled else TraceFlags.DEFAULT)
    return SpanContext(one.trace_id, one.span_id, is_remote=True, trace_flags=flags)


def context_of(parent: Parent) -> Context:
    """A context in which that span is current."""
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context  # noqa: PLC0415

    return set_span_in_context(NonRecordingSpan(span_context(parent)))


def _provider() -> Any:
    """The provider that the process has set up itself; else one of ours, which is the process's from now on."""
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    found = trace.get_tracer_provider()
    if isinstance(found, TracerProvider):
        return found
    made = make_provider()
    made.add_span_processor(BatchSpanProcessor(exporter()))
    trace.set_tracer_provider(made)
    return made
