from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator import OperationError, StepContext
from workers.operations.batch import AskForExport, CompareRows, Export, ExtractRows, Pair, Source


def test_a_source_has_as_many_rows_as_its_name_has_letters() -> None:
    """So that a spec's author can tell beforehand what comes out."""
    orders, payments = (ExtractRows(Source(source=name)) for name in ("orders", "payments"))

    assert CompareRows(Pair(left=orders.rows, right=payments.rows)).model_dump() == {"matched": 6, "unmatched": 2}


def test_a_lost_source_is_not_worth_a_second_attempt() -> None:
    """It fails for good, with a code of its own."""
    with pytest.raises(OperationError) as failure:
        ExtractRows(Source(source="lost-orders"))

    assert (failure.value.code, failure.value.retryable) == ("source_missing", False)


@pytest.mark.parametrize(("takes_ms", "ready"), [(0, True), (60_000, False)])
def test_an_export_is_ready_so_long_after_it_was_ordered(takes_ms: int, ready: bool, context: StepContext) -> None:
    """Whoever asks earlier is told to come again."""
    assert AskForExport(Export(ordered_at=datetime.now(UTC), takes_ms=takes_ms), context).ready is ready
