"""Commands that change a run: cancel, pause, resume, retry, skip, signal, undo, waive."""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect, json_argument, object_argument
from orchestrator.cli.views import headed, kept_table, state_text, undo_style, undos_table
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.shown import RunDescription
from orchestrator.client.sync import user_name
from orchestrator.engine.state import RunStatus


def cancel(output: Output, run_id: str, *, reason: str) -> None:
    """Stop a run."""
    handle = connect().get(run_id)
    handle.cancel(reason, by=user_name())
    run = _answer(output, handle)
    if run.status == RunStatus.COMPENSATING:
        output.say(_hint(f"what is done is being undone:  orchestrator watch {run_id}"))


def pause(output: Output, run_id: str, *, reason: str) -> None:
    """Let nothing new begin in a run."""
    handle = connect().get(run_id)
    handle.pause(reason, by=user_name())
    _answer(output, handle)
    output.say(_hint(f"what runs now ends; nothing new begins until:  orchestrator resume {run_id}"))


def resume(output: Output, run_id: str, *, reason: str) -> None:
    """Let a paused run go on."""
    handle = connect().get(run_id)
    handle.resume(reason, by=user_name())
    _answer(output, handle)


def retry(output: Output, run_id: str, *, given: str | None, reason: str) -> None:
    """Let a failed or cancelled run go on from where it failed."""
    handle = connect().get(run_id)
    handle.retry(reason, by=user_name(), input=None if given is None else object_argument(given, "--input"))
    _answer(output, handle)
    output.say(_hint(f"follow it:  orchestrator watch {run_id}"))


def skip(output: Output, run_id: str, step: str, *, result: str | None, reason: str) -> None:
    """Go on behind a step that waits."""
    handle = connect().get(run_id)
    handle.skip(step, reason, by=user_name(), output=None if result is None else json_argument(result, "--output"))
    _answer(output, handle)


def signal(output: Output, run_id: str, name: str, *, data: str | None, signal_id: str | None) -> None:
    """Give a run a signal."""
    handle = connect().get(run_id)
    handle.signal(name, None if data is None else json_argument(data, "--data"), id=signal_id, by=user_name())
    _answer(output, handle)


def undo(output: Output, run_id: str, *, reason: str) -> None:
    """Make the undos of a run that were not made."""
    handle = connect().get(run_id)
    before = handle.describe()
    handle.undo(reason, by=user_name())
    run = _answer(output, handle)
    begun = run.incarnation > before.incarnation
    output.say(_hint(f"follow it:  orchestrator watch {run_id}" if begun else "nothing is left to undo"))


def preview_undo(output: Output, run_id: str) -> None:
    """Show what would be undone if that began now, and what cannot be."""
    found = connect().get(run_id).undo_preview()
    if output.as_json:
        output.document(asdict(found))
    if not found.undos:
        output.say(Text("nothing would be undone", style="dim"))
    else:
        output.say(Text("newest first", style="dim"), undos_table(found.undos, output.console.width))
    if found.kept:
        output.say(headed("Stays as it is", kept_table(found.kept, output.console.width - 2)))


def waive(output: Output, run_id: str, step: str, *, reason: str) -> None:
    """Record that a step was undone by hand."""
    handle = connect().get(run_id)
    handle.waive(step, reason, by=user_name())
    _answer(output, handle)


def _answer(output: Output, handle: RedisRunHandle) -> RunDescription:
    """Show where the run stands now."""
    run = handle.describe()
    if output.as_json:
        output.document({name: getattr(run, name) for name in ("run_id", "status", "compensation", "incarnation")})
    undone = "" if run.compensation == "none" else f", undo {run.compensation}"
    where = (state_text(run.status), (undone, undo_style(run.compensation)))
    output.say(Text.assemble("run ", (run.run_id, "bold"), "  ", *where))
    return run


def _hint(text: str) -> Text:
    return Text(text, style="dim")
