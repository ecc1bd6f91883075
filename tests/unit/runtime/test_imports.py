from __future__ import annotations

import subprocess
import sys

IMPORTING = "import sys, orchestrator.runtime.app; print(*sorted({'rich', 'prompt_toolkit'} & set(sys.modules)))"


def test_a_worker_imports_no_terminal_toolkit() -> None:
    """They come with libraries that a worker needs, and take megabytes in each of its processes."""
    found = subprocess.run([sys.executable, "-c", IMPORTING], check=True, capture_output=True, text=True)

    assert found.stdout.split() == []
