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


ALIKE = """
import logging, sys
from orchestrator import logs
from orchestrator.client.redaction import mask_of_lines
logs.configure(json=True, level="info", mask=mask_of_lines("input.card.number"), standard=logging.INFO)
ours, theirs = logs.get("test"), logging.getLogger("shop.cards")
about = logs.About({"run_id": "r-1", "step": "pay"}, mask_of_lines("**.pin"))
with logs.about(about):
    ours.info("paid", attempt=2, card={"number": "4111", "brand": "V"}, pin="1234")
    theirs.info("paid by %s", "card", extra={"attempt": 2, "card": {"number": "4111", "brand": "V"}, "pin": "1234"})
theirs.debug("unseen")
try:
    raise ValueError("no")
except ValueError:
    theirs.exception("failed", extra={"pin": "1234"})
"""


def written(program: str) -> list[dict[str, object]]:
    """The lines that a program writes to stderr."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return [json.loads(text) for text in done.stderr.splitlines()]


def test_lines_of_logging_look_like_ours() -> None:
    """With what they are about, and masked by name at any depth: what all lines hide, and what those of a run do."""
    ours, theirs, failed = written(ALIKE)

    card = {"number": "[redacted]", "brand": "V"}
    about = {"run_id": "r-1", "step": "pay", "attempt": 2, "card": card, "pin": "[redacted]", "level": "info"}
    assert ours.items() >= {**about, "event": "paid", "logger_name": "test"}.items()
    assert theirs.items() >= {**about, "event": "paid by card", "logger_name": "shop.cards"}.items()
    assert ours.keys() == theirs.keys()
    assert (failed["event"], failed["pin"]) == ("failed", "1234")
    assert "ValueError: no" in str(failed["exception"])
    assert "run_id" not in failed


SPANS = """
import logging
from opentelemetry.sdk.trace import TracerProvider
from orchestrator import logs
logs.configure(json=True, level="info", standard=logging.INFO)
with TracerProvider().get_tracer("test").start_as_current_span("work"):
    logs.get("test").info("within")
    logging.getLogger("theirs").info("within")
logging.getLogger("theirs").info("without")
"""


def test_lines_within_a_span_say_which() -> None:
    """By the ids under which a collector has it."""
    ours, theirs, without = written(SPANS)

    assert len(str(ours["trace_id"])) == 32
    assert (ours["trace_id"], ours["span_id"]) == (theirs["trace_id"], theirs["span_id"])
    assert "trace_id" not in without


READABLE = """
import logging
from orchestrator import logs
logs.configure(json=False, level="info", standard=logging.INFO)
with logs.about(logs.About({"run_id": "r-1"})):
    logging.getLogger("theirs").info("seen %s", 1)
"""


def test_on_a_terminal_lines_are_for_people() -> None:
    """Those of `logging` as well, with what they are about."""
    done = subprocess.run([sys.executable, "-c", READABLE], check=True, capture_output=True, text=True)

    assert "seen 1" in done.stderr
    assert "run_id" in done.stderr
    assert not done.stderr.startswith("{")
