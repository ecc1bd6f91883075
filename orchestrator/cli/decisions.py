"""Commands about approvals: list, decide, delegate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect, json_argument
from orchestrator.cli.views import moment
from orchestrator.client.shown import OpenApproval
from orchestrator.client.sync import user_name
from orchestrator.engine.approvals import Choice


def list_open(output: Output, user: str | None, groups: Sequence[str], *, limit: int) -> None:
    """Show the approvals that are open."""
    found = connect().approvals.list(user, groups, limit=limit)
    if output.as_json:
        output.document([one.to_json() for one in found])
    output.say(_table(found) if found else Text("nothing waits for a decision", style="dim"))


def decide(
    output: Output,
    run_id: str,
    step: str,
    choice: Choice,
    *,
    by: str | None,
    groups: Sequence[str],
    comment: str,
    form: str | None,
) -> None:
    """Decide an open approval, and show what became of its step."""
    filled: Any = None if form is None else json_argument(form, "--form")
    client = connect()
    client.approvals.decide(run_id, step, choice, by=by or user_name(), groups=groups, comment=comment, form=filled)
    shown = next(one for one in client.get(run_id).describe().steps if one.address == step)
    if output.as_json:
        output.document({"run_id": run_id, "step": step, "state": shown.state})
    waiting = shown.state == "waiting"
    output.say(Text.assemble("step ", (step, "bold"), "  ", "waits for others to decide" if waiting else shown.state))


def delegate(output: Output, run_id: str, step: str, to: str, *, by: str | None, groups: Sequence[str]) -> None:
    """Have another decide."""
    connect().approvals.delegate(run_id, step, to, by=by or user_name(), groups=groups)
    if output.as_json:
        output.document({"run_id": run_id, "step": step, "delegated_to": to})
    output.say(Text.assemble("step ", (step, "bold"), "  asks ", (to, "bold")))


def _table(found: Sequence[OpenApproval]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "step", "workflow", "asks", "due (UTC)"):
        table.add_column(name, overflow="fold", no_wrap=name == "run")
    for one in found:
        due = "" if one.due_at is None else moment(one.due_at)
        table.add_row(one.run_id, one.step, one.workflow, _asked(one), due)
    return table


def _asked(one: OpenApproval) -> str:
    """`ann, group board`; of several who are to decide, how, and how many have."""
    named = ", ".join([*one.users, *(f"group {group}" for group in one.groups)])
    decided = f", {len(one.decisions)} decided" if one.decisions else ""
    return named if one.mode == "any" else f"{named} ({one.mode}{decided})"
