"""Runs that are started together."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.client.starting import BATCH, FIRST_BATCH, batches_of


@pytest.mark.parametrize(("runs", "sizes"), [(0, []), (10, [10]), (20, [10, 10]), (300, [10, 20, 40, 80, 100, 50])])
def test_the_first_of_many_runs_are_stored_and_sent_ahead(runs: int, sizes: list[int]) -> None:
    """Workers have something to do early, and the batches behind are large enough to cost little."""
    prepared: list[Any] = list(range(runs))

    found = [list(batch) for batch in batches_of(prepared)]

    assert [len(batch) for batch in found] == sizes
    assert [one for batch in found for one in batch] == prepared
    assert (FIRST_BATCH, BATCH) == (10, 100)
