"""A reader of the feed that exports the spans of runs, and of what they waited for, when they are over.

Not whoever commits the end: that may be any worker, sweeper or client, some of which know nothing of traces, and none
of which is to wait for a collector. What a collector does not take is lost, as with traces everywhere; runs, and other
readers, are not touched by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchestrator import logs, telemetry
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.monitor.feed import AtLeastOnce, Batch, Reader
from orchestrator.monitor.spans import ENDS, READS, Span, Told, spans_until
from orchestrator.store.port import HistoryEntry, Store
from orchestrator.telemetry import Parent, child_span_id, parse_traceparent, samples, trace_id_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

log = logs.get("tracing")

NAME: Final = "traces"
PAGE: Final = 1_000


def traces_of(client: RedisOrchestrator) -> Reader | None:
    """The reader, where the variables of OpenTelemetry name an exporter."""
    if not telemetry.is_on():
        return None
    try:
        provider, exporter = telemetry.make_provider(), telemetry.exporter()
    except ImportError as error:
        log.warning("no_traces", error=str(error), advice="install orchestrator[otel]")
        return None
    tracing = RunTracing(client.store, client.settings.namespace, provider, exporter)
    return AtLeastOnce(NAME, tracing.handle, client.registry.positions)


class RunTracing:
    """Exports the spans of the runs that are over."""

    def __init__(self, store: Store, namespace: str, provider: TracerProvider, exporter: SpanExporter) -> None:
        self._store = store
        self._namespace = namespace
        self._provider = provider
        self._exporter = exporter

    def handle(self, batch: Batch) -> None:
        """Export those of the runs that these events have ended."""
        ends = [(entry.run_id, entry.id) for entry in batch.entries if entry.event["type"] in ENDS]
        spans = [span for run_id, end_id in ends for span in self._spans(run_id, end_id)]
        for first in range(0, len(spans), PAGE):
            self._export(spans[first : first + PAGE])

    def _spans(self, run_id: str, end_id: str) -> Iterator[ReadableSpan]:
        _, values = self._store.read(run_id, READS)
        if values[fields.WORKFLOW] is None:
            return  # deleted since
        given = parse_traceparent(values[fields.TRACE])
        trace_id = trace_id_of(self._namespace, run_id) if given is None else given.trace_id
        if not (samples(self._provider, trace_id) if given is None else given.sampled):
            return
        above = None if given is None else given.span_id
        if values[fields.PARENT] is not None:
            above = child_span_id(self._namespace, run_id)
        for span in spans_until(end_id, Told(self._namespace, run_id, values), self._history(run_id), above):
            yield _readable(span, trace_id, self._provider)

    def _history(self, run_id: str) -> Iterator[HistoryEntry]:
        after = "0"
        while page := self._store.history(run_id, after, PAGE):
            yield from page
            after = page[-1].id

    def _export(self, spans: Sequence[ReadableSpan]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        if self._exporter.export(spans) is not SpanExportResult.SUCCESS:
            log.warning("traces_not_exported", spans=len(spans))


def _readable(span: Span, trace_id: int, provider: TracerProvider) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415
    from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

    attributes: dict[str, Any] = dict(span.attributes)
    status = Status(StatusCode.UNSET)
    if span.error is not None:
        attributes["error.type"] = span.error
        status = Status(StatusCode.ERROR, span.error)
    parent = None if span.parent_id is None else Parent(trace_id, span.parent_id, sampled=True)
    return ReadableSpan(
        name=span.name,
        context=telemetry.span_context(Parent(trace_id, span.span_id, sampled=True)),
        parent=None if parent is None else telemetry.span_context(parent),
        resource=provider.resource,
        attributes=attributes,
        kind=SpanKind.INTERNAL,
        status=status,
        start_time=span.began_ms * 1_000_000,
        end_time=span.ended_ms * 1_000_000,
        instrumentation_scope=InstrumentationScope("orchestrator"),
    )
