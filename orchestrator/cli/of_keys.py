"""Commands about the keys of the HTTP API: create, list, revoke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect
from orchestrator.cli.views import moment
from orchestrator.client.access import create_key, revoke_key, shown_key


def create(
    output: Output,
    user: str,
    role: str,
    *,
    groups: Sequence[str],
    workflows: Sequence[str],
    expires: str | None,
    reason: str,
) -> None:
    """Make a key, and show its token this once."""
    client = connect()
    made = create_key(
        client.access,
        client.audit,
        user=user,
        role=role,
        groups=groups,
        workflows=workflows,
        expires_in=expires,
        reason=reason,
    )
    if output.as_json:
        output.document({**shown_key(made.record), "token": made.token})
    output.say(
        Text.assemble(("created  ", "green"), f"key {made.record.id}, {role} {user}"),
        Text(made.token, style="bold"),
        Text("this token is shown once; only its hash is kept", style="dim"),
    )


def list_keys(output: Output) -> None:
    """Show all keys, the oldest first."""
    found = [shown_key(record) for record in connect().access.all_keys()]
    if output.as_json:
        output.document(found)
    output.say(_table(found) if found else Text("no keys", style="dim"))


def revoke(output: Output, key_id: str, *, reason: str) -> None:
    """Make a key useless."""
    client = connect()
    record = revoke_key(client.access, client.audit, key_id, reason)
    if output.as_json:
        output.document(shown_key(record))
    output.say(Text.assemble(("revoked  ", "yellow"), f"key {record.id}, {record.role} {record.user}"))


def _table(found: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("id", "user", "role", "workflows", "created (UTC)", "expires", "state"):
        table.add_column(column, overflow="fold")
    for one in found:
        state = Text("revoked", style="yellow") if one["revoked_at"] else Text("valid", style="green")
        times = moment(one["created_at"]), moment(one["expires_at"]) if one["expires_at"] else "never"
        table.add_row(one["id"], Text(one["user"]), one["role"], ", ".join(one["workflows"]) or "all", *times, state)
    return table
