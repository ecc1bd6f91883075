"""The archive that the settings name, if they name one."""

from __future__ import annotations

from orchestrator.errors import InvalidSettings
from orchestrator.settings import Settings
from orchestrator.store.archive.port import Archive


def open_archive(settings: Settings) -> Archive | None:
    """The archive of the setting `archive_url`; None without one. Only then is anything of SQL imported."""
    if settings.archive_url is None:
        return None
    try:
        from orchestrator.store.archive.sql import SqlArchive  # noqa: PLC0415  # the extra `archive`
    except ImportError as error:
        message = f"`archive_url` is set, and {error.name} is missing: pip install 'celery-orchestrator[archive]'"
        raise InvalidSettings(message) from error
    return SqlArchive(settings.archive_url, settings.namespace)
