"""`orchestrator demo`: the payment workflow three times, on a Redis, a worker and a beat of its own."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.rule import Rule
from rich.text import Text

import orchestrator
from orchestrator.cli.output import Output
from orchestrator.cli.progress import show_progress
from orchestrator.cli.session import import_operations, load_specs, read_settings
from orchestrator.cli.timeline import timeline
from orchestrator.cli.views import headed
from orchestrator.client.shown import RunDescription
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.clock import elapsed_s
from orchestrator.errors import InvalidRequest, RunFailed
from orchestrator.local import Fleet, LocalRedis, beat_command, environment, worker_command

WORKFLOW: Final = "payment.flow"
AMOUNT: Final = 1250
RUN_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Story:
    """One run of the demo, and how it must end."""

    title: str
    says: str
    method: str
    mail: str
    status: str
    compensation: str


STORIES: Final = (
    Story("A payment", "The card is good, the receipt is sent.", "pm_ok", "ada@example.com", "completed", "none"),
    Story(
        "A card that is declined",
        "The charge fails, its handler tells the administrators. Nothing is to be undone.",
        "pm_declined",
        "ada@example.com",
        "failed",
        "none",
    ),
    Story(
        "A receipt that cannot be sent",
        "The charge was made, then the workflow fails for good: the charge is refunded.",
        "pm_ok",
        "nobody@invalid",
        "failed",
        "completed",
    ),
)


def run(output: Output) -> None:
    """Start everything, tell the stories, count at the provider, stop everything."""
    began_s = elapsed_s()
    os.chdir(_checkout())  # for its specs, its settings and its operations
    with tempfile.TemporaryDirectory(prefix="orchestrator-demo-") as folder:
        with _fleet(output, Path(folder)) as client:
            for number, story in enumerate(STORIES, start=1):
                _tell(output, client, number, story)
        _show_books(output, Path(folder) / "provider.sqlite")
    output.say(Text(f"Everything that was started is stopped; {elapsed_s() - began_s:.1f} s in all.", style="dim"))


def _checkout() -> Path:
    """The folder that has `specs/`: this one, or the checkout that this package is run from."""
    for folder in (Path.cwd(), Path(orchestrator.__file__).resolve().parents[1]):
        if (folder / "specs" / "payment_flow.py").is_file():
            return folder
    raise InvalidRequest("specs/payment_flow.py is not here; run the demo in a checkout of the project")


@contextmanager
def _fleet(output: Output, folder: Path) -> Iterator[RedisOrchestrator]:
    """A client of a Redis of its own, with a worker and a beat that listen and the specs published."""
    with LocalRedis(log=folder / "redis.log") as redis:
        _started(output, "Redis", redis.pid, f"{redis.url()}, in a temporary folder")
        env = environment(
            redis.url(),
            broker_url=redis.url(),
            provider_db=str(folder / "provider.sqlite"),
            outbox=str(folder / "outbox"),
            smtp_url="",
        )
        with Fleet(env=env, logs=folder) as fleet:
            worker = fleet.start("worker", worker_command())
            beat = fleet.start("beat", beat_command())
            settings = read_settings().model_copy(update={"redis_url": redis.url(), "broker_url": redis.url()})
            client = RedisOrchestrator.connect(settings=settings)
            worker.wait_for_line("ready.")
            _started(output, "worker", worker.pid, "executes steps; 2 processes")
            beat.wait_for_line("beat: Starting")
            _started(output, "beat", beat.pid, "looks after whatever got lost")
            import_operations(settings)
            published = [client.publish(one.spec) for one in load_specs([Path("specs")])]
            output.say(Text(f"{len(published)} workflows published from specs/", style="dim"))
            yield client


def _started(output: Output, name: str, pid: int, what: str) -> None:
    output.say(Text.assemble(("started  ", "green"), (f"{name:<7}", "bold"), (f"pid {pid:<8}{what}", "dim")))


def _tell(output: Output, client: RedisOrchestrator, number: int, story: Story) -> None:
    output.say("", Rule(Text(f"{number}. {story.title}", style="bold"), align="left"), Text(story.says), "")
    handle = client.start(
        WORKFLOW,
        {"amount": AMOUNT, "payment_method_id": story.method},
        ctx={"user_id": "u-1", "user_email": story.mail},
    )
    ended = show_progress(output, handle, timeout_s=RUN_LIMIT_S)
    if output.live:
        output.say(headed("Timeline", timeline(handle.history())))
    _check(ended, story)


def _check(ended: RunDescription, story: Story) -> None:
    """RunFailed unless the run ended as the story says."""
    if (ended.status, ended.compensation) != (story.status, story.compensation):
        raise RunFailed(
            f"{story.title}: the run ended {ended.status}, undo {ended.compensation};"
            f" it should have ended {story.status}, undo {story.compensation}",
            run_id=ended.run_id,
            error=ended.error,
        )


def _show_books(output: Output, path: Path) -> None:
    """Count in the payment provider's own books, a SQLite file, which the orchestrator cannot reach."""
    with closing(sqlite3.connect(path)) as books:
        charges, charged = books.execute("SELECT count(*), coalesce(sum(amount), 0) FROM charges").fetchone()
        refunds, refunded = books.execute(
            "SELECT count(*), coalesce(sum(amount), 0) FROM refunds JOIN charges ON charges.id = refunds.charge_id"
        ).fetchone()
    output.say(
        "",
        Rule(Text("What the payment provider has in its own books", style="bold"), align="left"),
        Text(f"charges  {charges}   {_money(charged)}"),
        Text(f"refunds  {refunds}   {_money(refunded)}"),
        Text(f"kept         {_money(charged - refunded)}", style="bold"),
        "",
    )


def _money(cents: int) -> str:
    return f"{cents / 100:8.2f}"
