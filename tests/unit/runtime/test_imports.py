from __future__ import annotations

import subprocess
import sys

TRACING = {"opentelemetry.exporter", "opentelemetry.sdk.trace"}
HEAVY = {"croniter", "fastapi", "httpx", "jsonschema", "prompt_toolkit", "rich"} | TRACING
IMPORTING = f"HEAVY = {HEAVY}; import sys, orchestrator.runtime.app; print(*sorted(HEAVY & set(sys.modules)))"


def test_a_worker_imports_nothing_large_that_it_does_not_need() -> None:
    """They would take megabytes in each of its processes."""
    found = subprocess.run([sys.executable, "-c", IMPORTING], check=True, capture_output=True, text=True)

    assert found.stdout.split() == []
