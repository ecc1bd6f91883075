"""Steps of a nightly batch, at a pretend warehouse of data that needs no books: what it is asked for says it all.

A source whose name begins with `lost-` is not there; any other has as many rows as its name has letters. An export is
ready so long after it was ordered.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, Field

from orchestrator import OperationError, StepContext, operation
from workers.operations.model import OperationModel


class Source(OperationModel):
    """A table to read."""

    source: str = Field(min_length=1)


class Extract(OperationModel):
    """What was read."""

    source: str
    rows: int


class Pair(OperationModel):
    """How many rows two tables have."""

    left: int = Field(ge=0)
    right: int = Field(ge=0)


class Comparison(OperationModel):
    """How many rows have a counterpart, and how many have none."""

    matched: int
    unmatched: int


class Export(OperationModel):
    """An export that was ordered, and how many milliseconds it takes."""

    ordered_at: AwareDatetime
    takes_ms: int = Field(ge=0)


class ExportStatus(OperationModel):
    """Whether it can be fetched."""

    ready: bool


@operation("batch.extract", version="1.0.0", effect="none", errors=["source_missing"])
def ExtractRows(wanted: Source) -> Extract:
    """Read a source."""
    if wanted.source.startswith("lost-"):
        raise OperationError("source_missing", f"There is no source {wanted.source!r}.", retryable=False)
    return Extract(source=wanted.source, rows=len(wanted.source))


@operation("batch.compare", version="1.0.0", effect="none")
def CompareRows(pair: Pair) -> Comparison:
    """Match two tables, row by row."""
    return Comparison(matched=min(pair.left, pair.right), unmatched=abs(pair.left - pair.right))


@operation("batch.export_status", version="1.0.0", effect="none")
def AskForExport(export: Export, context: StepContext) -> ExportStatus:
    """Say whether an export is ready by now."""
    passed = datetime.now(UTC) - export.ordered_at
    context.log.info("export_asked_for", passed_ms=round(passed.total_seconds() * 1000))
    return ExportStatus(ready=passed >= timedelta(milliseconds=export.takes_ms))
