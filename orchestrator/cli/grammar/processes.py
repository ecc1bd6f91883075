"""The grammar of commands that run until they are stopped, and of the demonstration."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def listen() -> None:
    """Take external events in, count metrics, send alerts, fill the archive, until SIGTERM or Ctrl-C."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering() as output:
        intake.listen(output)


def api(
    *,
    host: Annotated[
        str | None, typer.Option("--host", help="Where to listen; by default the setting `api_host`.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="The setting `api_port`.")] = None,
) -> None:
    """Serve the HTTP API until Ctrl-C."""
    from orchestrator.cli import api as http_api
    from orchestrator.cli.output import answering

    with answering():
        http_api.run(host, port)


def dev(
    specs: Annotated[list[Path] | None, typer.Argument(exists=True, help="Specs to publish.")] = None,
    *,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="Of the API; else `api_port`.")] = None,
    queue: Annotated[list[str] | None, typer.Option("--queue", "-q", help="Queues of the worker.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Processes of the worker.")] = 2,
) -> None:
    """Run a worker, beat, a listener and the HTTP API, and a Redis if none is there, until Ctrl-C."""
    from orchestrator.cli import dev as development
    from orchestrator.cli.output import answering

    with answering() as output:
        development.run(output, specs or [], queues=queue or ["default"], concurrency=concurrency, port=port)


def demo() -> None:
    """Run the payment workflow three times, with a Redis and workers of its own."""
    from orchestrator.cli import demo as demonstration
    from orchestrator.cli.output import answering

    with answering() as output:
        demonstration.run(output)
