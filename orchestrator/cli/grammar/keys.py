"""The grammar of `orchestrator keys`."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated, Literal

import typer

from orchestrator.cli.grammar.arguments import Json

keys = typer.Typer(
    name="keys",
    help="Make, list and revoke the keys of the HTTP API.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@keys.command("create")
def create_key(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose it is; stands in histories and in the audit log.")],
    role: Annotated[Literal["viewer", "starter", "operator", "admin"], typer.Argument(help="What it allows.")],
    *,
    group: Annotated[list[str] | None, typer.Option("--group", help="A group of the user; repeatable.")] = None,
    workflow: Annotated[
        list[str] | None, typer.Option("--workflow", metavar="PATTERN", help="Only these, as payment.*; repeatable.")
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="DURATION", help="Such as 30d.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")] = "",
    as_json: Json = False,
) -> None:
    """Make a key; its token is shown this once."""
    from orchestrator.cli import of_keys
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_keys.create(output, user, role, groups=group or (), workflows=workflow or (), expires=expires, reason=reason)


@keys.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """List all keys, revoked ones too."""
    from orchestrator.cli import of_keys
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_keys.list_keys(output)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `keys list` has it.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")] = "",
    as_json: Json = False,
) -> None:
    """Make a key useless, from this moment on."""
    from orchestrator.cli import of_keys
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_keys.revoke(output, key, reason=reason)
