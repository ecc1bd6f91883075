"""The command that serves the HTTP API: this process becomes the server."""

from __future__ import annotations

import os
from importlib.util import find_spec

from orchestrator.cli.session import import_operations, read_settings
from orchestrator.errors import InvalidSettings
from orchestrator.local import api_command


def run(host: str | None, port: int | None) -> None:
    """Become the server, once the settings are known to be usable."""
    settings = read_settings()
    check_installed()
    import_operations(settings)
    command = api_command(host or settings.api_host, port or settings.api_port)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted, and signals go straight to the server


def check_installed() -> None:
    """InvalidSettings says what to install."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise InvalidSettings("the HTTP API needs the extra: pip install 'celery-orchestrator[api]'")
