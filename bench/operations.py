"""The operations of the benchmark: they do nothing, so that what is measured is the machinery around them."""

from __future__ import annotations

from typing import Any

from orchestrator import operation


@operation("bench.read", version="1.0.0", effect="none")
def Read(_given: Any) -> Any:  # noqa: N802  # operations are spelled as nouns
    """Nothing, with no effect outside."""
    return None


@operation("bench.write", version="1.0.0", effect="write", idempotent=True)
def Write(_given: Any) -> Any:  # noqa: N802
    """Nothing, but declared as something that changes the world."""
    return None
