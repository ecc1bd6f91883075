import json
import subprocess
import sys

WRITING = """
import sys
from orchestrator import logs
log = logs.get("test")
print("structlog" in sys.modules)
logs.configure(json=True, level="info")
log.debug("unseen")
log.bind(run_id="r-1").info("seen", step="one")
print("structlog" in sys.modules)
"""


def test_structlog_is_loaded_with_the_first_line() -> None:
    """A line is JSON on stderr, with what is bound; lines below the level are left out."""
    done = subprocess.run([sys.executable, "-c", WRITING], check=True, capture_output=True, text=True)

    (line,) = [json.loads(text) for text in done.stderr.splitlines()]
    assert done.stdout.split() == ["False", "True"]
    assert {name: line[name] for name in ("event", "logger_name", "run_id", "step", "level")} == {
        "event": "seen",
        "logger_name": "test",
        "run_id": "r-1",
        "step": "one",
        "level": "info",
    }
