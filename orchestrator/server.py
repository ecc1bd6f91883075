"""`python -m orchestrator.server HOST PORT`: what `orchestrator api` becomes. API and dashboard in one process."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec

import uvicorn
from fastapi import FastAPI

from orchestrator import logs
from orchestrator.api.access import is_loopback
from orchestrator.api.app import create_app
from orchestrator.client.redaction import mask_of_lines
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import InvalidSettings
from orchestrator.settings import Settings

GRACE_S = 5
"""So long requests under way may take when it is told to end; streams are cut off then."""


def served(settings: Settings) -> FastAPI:
    """The API, with the dashboard beside it where that is installed and wanted."""
    client = RedisOrchestrator.connect(settings=settings)
    app = create_app(client)
    if settings.dashboard and find_spec("nicegui") is not None:
        from orchestrator.dashboard.mount import mount  # noqa: PLC0415  # an extra of its own

        mount(app, client, app.state.jobs)
    return app


def main(host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = Settings()
    mask = mask_of_lines(*settings.redact)
    logs.configure(json=settings.log_json, level=settings.log_level, mask=mask, standard=logging.WARNING)
    if not settings.access and not is_loopback(host):
        raise InvalidSettings(f"without keys (setting `access`) the API listens on loopback only, not on {host}")
    uvicorn.run(
        served(settings),
        host=host,
        port=port,
        log_config=None,
        log_level=settings.log_level.lower(),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except InvalidSettings as error:
        sys.stderr.write(f"error: {error.message} [{error.code}]\n")
        sys.exit(error.exit_code)
