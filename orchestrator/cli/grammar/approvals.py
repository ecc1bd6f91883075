"""The grammar of `orchestrator approvals`."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.grammar.arguments import Json, RunId, StepAddress

approvals = typer.Typer(
    name="approvals",
    help="What waits for people to decide.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

By = Annotated[str | None, typer.Option("--by", metavar="USER", help="Who decides; by default, who runs this.")]
Groups = Annotated[list[str] | None, typer.Option("--group", "-g", help="A group of theirs; may be given again.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept with the decision.")]
Form = Annotated[str | None, typer.Option("--form", metavar="JSON|@FILE|-", help="What the approval's form asks for.")]


@approvals.callback()
def group() -> None:
    """What waits for people to decide."""


@approvals.command("list")
def list_open(
    *,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Those that this person may decide now.")] = None,
    groups: Groups = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List the open approvals: all, or those that somebody may decide."""
    from orchestrator.cli import decisions
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        decisions.list_open(output, user, groups or [], limit=limit)


@approvals.command()
def approve(
    run: RunId,
    step: StepAddress,
    *,
    by: By = None,
    groups: Groups = None,
    comment: Comment = "",
    form: Form = None,
    as_json: Json = False,
) -> None:
    """Approve: the step completes once enough have."""
    from orchestrator.cli import decisions
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        decisions.decide(output, run, step, "approve", by=by, groups=groups or [], comment=comment, form=form)


@approvals.command()
def reject(
    run: RunId, step: StepAddress, *, by: By = None, groups: Groups = None, comment: Comment = "", as_json: Json = False
) -> None:
    """Reject: the step fails with `rejected`."""
    from orchestrator.cli import decisions
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        decisions.decide(output, run, step, "reject", by=by, groups=groups or [], comment=comment, form=None)


@approvals.command("request-changes")
def request_changes(
    run: RunId, step: StepAddress, *, by: By = None, groups: Groups = None, comment: Comment = "", as_json: Json = False
) -> None:
    """Request changes: the step fails with `changes_requested`."""
    from orchestrator.cli import decisions
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        decisions.decide(output, run, step, "request_changes", by=by, groups=groups or [], comment=comment, form=None)


@approvals.command()
def delegate(
    run: RunId,
    step: StepAddress,
    to: Annotated[str, typer.Argument(metavar="USER", help="Who decides instead.")],
    *,
    by: By = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Have another decide: instead of a user who is asked, or besides a group."""
    from orchestrator.cli import decisions
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        decisions.delegate(output, run, step, to, by=by, groups=groups or [])
