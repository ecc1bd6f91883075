"""The archive that the settings name, if they name one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from orchestrator.errors import InvalidSettings
from orchestrator.settings import Settings
from orchestrator.store.archive.port import Archive


def open_archive(settings: Settings) -> Archive | None:
    """The archive of the setting `archive_url`; None without one.

    Nothing of SQL is imported before it is used: workers, and who only starts runs, never do.
    """
    url = settings.archive_url
    if not url:
        return None
    return cast("Archive", _Deferred(lambda: _open(url, settings.namespace)))


def _open(url: str, namespace: str) -> Archive:
    try:
        from orchestrator.store.archive.sql import SqlArchive  # noqa: PLC0415  # the extra `archive`
    except ImportError as error:
        message = f"`archive_url` is set, and {error.name} is missing: pip install 'celery-orchestrator[archive]'"
        raise InvalidSettings(message) from error
    return SqlArchive(url, namespace)


class _Deferred:
    """An archive that is opened by its first use."""

    def __init__(self, open_it: Callable[[], Archive]) -> None:
        self._open = open_it
        self._opened: Archive | None = None
        self._opening = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
        return getattr(self._opened, name)

    def close(self) -> None:
        """Close the connections, if there are any."""
        if self._opened is not None:
            self._opened.close()
