"""The page on SLAs, done as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from orchestrator.engine.sla import SlaState
from tests.pages import ROOT, block

PAGE = (ROOT / "docs/slas.md").read_text()


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """With the spec that stands above them."""
    for name in ("order.yaml", "test_order.py"):
        (tmp_path / name).write_text(block("docs/slas.md", f"file: {name}"))
    options = ["-p", "orchestrator.testing.plugin", "-p", "no:randomly", "-p", "no:cacheprovider"]

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout


def test_every_state_is_explained() -> None:
    """And no other."""
    (said,) = re.findall(r"The states are (.*?)\.", PAGE, re.DOTALL)

    assert set(re.findall(r"`(\w+)`", said)) == {state.value for state in SlaState}
