"""Commands about the archive."""

from __future__ import annotations

from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect
from orchestrator.cli.views import moment
from orchestrator.client.archiving import ArchiveStatus, archive_status
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import InvalidSettings
from orchestrator.store.archive.port import Archive


def status(output: Output) -> bool:
    """Show how the archive does; False if it cannot be used."""
    client = connect()
    found = archive_status(client.hot, _archive(client))
    if output.as_json:
        output.document(found.to_json())
    output.say(*_lines(found))
    return found.error is None


def upgrade(output: Output) -> None:
    """Make the archive's tables, or bring them up to date."""
    client = connect()
    archive = _archive(client)
    before = archive.state().revision
    with client.audit.acting("upgrade_archive", "archive"):
        archive.upgrade()
    after = archive.state().revision
    if output.as_json:
        output.document({"before": before, "revision": after})
    was = "" if before == after else " had no tables and" if before is None else f" had revision {before} and"
    output.say(f"the archive{was} has revision {after}")


def _archive(client: RedisOrchestrator) -> Archive:
    if client.archive is None:
        raise InvalidSettings("no archive is set: setting `archive_url` (ORCHESTRATOR_ARCHIVE_URL)")
    return client.archive


def _lines(found: ArchiveStatus) -> list[Text]:
    lines = []
    if found.error is not None:
        lines.append(Text(found.error, style="red"))
    if found.url is not None:
        lines.append(Text.assemble(("archive   ", "dim"), found.url, f"  revision {found.revision or 'none'}"))
    if found.runs:
        told = ", ".join(f"{count} {name}" for name, count in found.runs.items())
        lines.append(Text.assemble(("has       ", "dim"), told))
    lines.append(Text.assemble(("waiting   ", "dim"), str(found.waiting)))
    up_to = "nothing yet: is a listener running?" if found.archived_up_to is None else moment(found.archived_up_to)
    lines.append(Text.assemble(("up to     ", "dim"), up_to))
    if found.unreadable:
        said = f"{found.unreadable} runs could not be archived; the listener's log says why"
        lines.append(Text(said, style="yellow"))
    if found.archiver_error:
        lines.append(Text(f"the archiver: {found.archiver_error}", style="yellow"))
    return lines
