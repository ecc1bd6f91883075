"""The grammar of `orchestrator workers`: without a verb it lists them, with a name it shows one."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from orchestrator.cli.grammar.arguments import Json

_SHOW = "show"


class _ByName(TyperGroup):
    """A group in which the name of a worker stands for showing it: names have an `@`, verbs have none."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # a context and a command of the click in typer
        given = [_SHOW, *args] if args and args[0] not in self.commands else args
        return super().resolve_command(ctx, given)


workers = typer.Typer(
    name="workers",
    help="Show workers, or one of them, and tell them what to do.",
    cls=_ByName,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The worker's name, as `workers` has it.")]
Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
Task = Annotated[str, typer.Argument(metavar="TASK", help="The Celery task's name.")]
Count = Annotated[int, typer.Argument(metavar="[N]", min=1, help="By so many processes.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
Watched = Annotated[bool, typer.Option("--watch", "-w", help="Show them until Ctrl-C.")]


@workers.callback()
def list_workers(context: typer.Context, *, watch: Watched = False, as_json: Json = False) -> None:
    """Show workers, or one of them, and tell them what to do."""
    from orchestrator.cli import of_fleet
    from orchestrator.cli.output import answering

    if context.invoked_subcommand is None:
        with answering(as_json) as output:
            of_fleet.workers(output, watch=watch)


@workers.command(_SHOW)
def show_worker(name: Name, *, watch: Watched = False, as_json: Json = False) -> None:
    """Show a worker: what it works off, holds, takes and serves."""
    from orchestrator.cli import of_fleet
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_fleet.worker(output, name, watch=watch)


@workers.command("inspect")
def inspect_worker(name: Name) -> None:
    """Ask a worker for all that Celery knows of itself, as JSON."""
    from orchestrator.cli import of_fleet
    from orchestrator.cli.output import answering

    with answering(as_json=True) as output:
        of_fleet.inspect(output, name)


@workers.command("grow")
def grow_pool(name: Name, count: Count = 1, *, reason: Reason = "", as_json: Json = False) -> None:
    """Add processes to a worker's pool, until it is started again."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("grows", name, lambda fleet: fleet.grow(name, count, reason), as_json=as_json)


@workers.command("shrink")
def shrink_pool(name: Name, count: Count = 1, *, reason: Reason = "", as_json: Json = False) -> None:
    """Take idle processes out of a worker's pool, until it is started again; one stays."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("shrinks", name, lambda fleet: fleet.shrink(name, count, reason), as_json=as_json)


@workers.command("add-queue")
def add_queue(name: Name, queue: Queue, *, reason: Reason = "", as_json: Json = False) -> None:
    """Have a worker take from a queue as well, until it is started again."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("consumes", name, lambda fleet: fleet.add_consumer(name, queue, reason), as_json=as_json)


@workers.command("cancel-queue")
def cancel_queue(name: Name, queue: Queue, *, reason: Reason = "", as_json: Json = False) -> None:
    """Have a worker take from a queue no more, until it is started again."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("leaves", name, lambda fleet: fleet.cancel_consumer(name, queue, reason), as_json=as_json)


@workers.command("drain")
def drain_worker(name: Name, *, reason: Reason = "", as_json: Json = False) -> None:
    """Have a worker finish what it has and take nothing new, until it is resumed or started again."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("drains", name, lambda fleet: fleet.drain(name, reason), as_json=as_json)


@workers.command("resume")
def resume_worker(name: Name, *, reason: Reason = "", as_json: Json = False) -> None:
    """Have a drained worker take from its queues again."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("resumes", name, lambda fleet: fleet.resume(name, reason), as_json=as_json)


@workers.command("shutdown")
def shut_down_worker(name: Name, *, reason: Reason = "", as_json: Json = False) -> None:
    """Have a worker finish what it has, and end."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("ends", name, lambda fleet: fleet.shutdown(name, reason), as_json=as_json)


@workers.command("time-limit")
def limit_time(
    name: Name,
    task: Task,
    *,
    soft: Annotated[float | None, typer.Option("--soft", metavar="SECONDS", help="Then it is told.")] = None,
    hard: Annotated[float | None, typer.Option("--hard", metavar="SECONDS", help="Then its process is killed.")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Limit how long a task of the app's own may take; steps have their specs' timeouts."""
    from orchestrator.cli import of_fleet

    of_fleet.tell(
        "limits",
        name,
        lambda fleet: fleet.limit_time(name, task, soft_s=soft, hard_s=hard, reason=reason),
        as_json=as_json,
    )


@workers.command("rate-limit")
def limit_rate(
    name: Name,
    task: Task,
    rate: Annotated[str, typer.Argument(metavar="RATE", help="Such as 100/m; 0: no limit.")],
    *,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Limit how often a worker begins a task."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("limits", name, lambda fleet: fleet.limit_rate(name, task, rate, reason), as_json=as_json)


@workers.command("forget")
def forget_worker(name: Name, *, reason: Reason = "", as_json: Json = False) -> None:
    """Take a lost worker off the list."""
    from orchestrator.cli import of_fleet

    of_fleet.tell("forgotten", name, lambda fleet: fleet.forget(name, reason), as_json=as_json)
