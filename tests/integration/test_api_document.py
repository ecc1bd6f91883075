"""The API does what its OpenAPI document says, whatever it is asked: by requests that fit it, and that do not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import MakeSystem
from tests.integration.system import token

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")
SECONDS = 15


def test_schemathesis_finds_nothing(make_system: MakeSystem, tmp_path: Path) -> None:
    """All of its checks, with an admin's key; longer by hand: docs/api.md says how."""
    system = make_system(rate_per_s=100_000, rate_burst=100_000)
    system.publish()
    system.start_worker()
    url = system.start_api()
    system.ready()

    command = [str(SCHEMATHESIS), "--config-file", str(CONFIG), "run", f"{url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {token(system, 'admin')}", "--checks", "all", "--seed", "1"]
    command += ["--max-examples", "5", "--max-time", str(SECONDS), "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-8_000:]
    assert int((re.findall(r"(\d+) passed, \d+ skipped", done.stdout) or ["0"])[-1]) > 50, done.stdout[-2_000:]
