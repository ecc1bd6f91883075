"""`orchestrator dev`: Redis, a worker, beat, a listener and the HTTP API in one terminal, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit

from rich.text import Text

from orchestrator.cli.api import check_installed
from orchestrator.cli.output import Output
from orchestrator.cli.session import import_operations, load_specs, read_settings
from orchestrator.cli.specs import published_line
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import InvalidSettings, ProcessFailed
from orchestrator.local import (
    Fleet,
    LocalRedis,
    api_command,
    beat_command,
    environment,
    labelled,
    listener_command,
    worker_command,
)
from orchestrator.settings import Settings

DATA: Final = Path(".orchestrator/redis")
LOOPBACK_ADDRESS: Final = "127.0.0.1"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
LOOK_S: Final = 0.5
_SAMPLES: Final[Mapping[Any, Any]] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


def run(
    output: Output, specs: Sequence[Path], *, queues: Sequence[str], concurrency: int, port: int | None = None
) -> None:
    """Start what is missing, publish the specs, and go on until somebody says stop or a process ends."""
    settings = read_settings()
    readable = {"log_json": False} if settings.log_json is None else {}
    import_operations(settings)
    loaded = load_specs(specs)
    with _until_stopped() as stopped, ExitStack() as stack:
        on_line = labelled(output.console)
        if _needs_redis(settings.redis_url):
            redis_port = urlsplit(settings.redis_url).port or 6379
            DATA.mkdir(parents=True, exist_ok=True)
            stack.enter_context(LocalRedis(DATA, port=redis_port, on_line=on_line))
            _say(output, f"Redis at {settings.redis_url}, its data in {DATA}/")
        else:
            _say(output, f"Redis at {settings.redis_url} was there already")
        client = RedisOrchestrator.connect(settings=settings)
        client.store.ping()
        fleet = stack.enter_context(Fleet(env=environment(settings.redis_url, **readable), on_line=on_line))
        worker = fleet.start("worker", worker_command(queues, concurrency=concurrency))
        beat = fleet.start("beat", beat_command())
        listener = fleet.start("listener", listener_command())
        address = _start_api(output, fleet, settings, port or settings.api_port, readable)
        worker.wait_for_line("ready.")
        beat.wait_for_line("beat: Starting")
        listener.wait_for_line("listening")
        for one in loaded:
            _say(output, published_line(client.publish(one.spec)))
        _say_ready(output, client, settings, address)
        _watch(fleet, stopped)
        _say(output, "stopping")


def _start_api(output: Output, fleet: Fleet, settings: Settings, port: int, readable: Mapping[str, bool]) -> str | None:
    """Start the HTTP API on loopback, without keys; its address, or None if it cannot be started here."""
    try:
        check_installed()
    except InvalidSettings as error:
        output.warn(error.message)
        return None
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK_ADDRESS, port))
        except OSError:
            output.warn(f"port {port} is taken, so there is no HTTP API; choose another: --port")
            return None
    env = environment(settings.redis_url, access=False, **readable)
    api = fleet.start("api", api_command(LOOPBACK_ADDRESS, port), env=env)
    api.wait_for_line("Uvicorn running")
    return f"http://{LOOPBACK_ADDRESS}:{port}/api/v1"


def _needs_redis(url: str) -> bool:
    """Whether the URL names this machine, and nothing listens there."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        return False
    try:
        socket.create_connection((parts.hostname, parts.port or 6379), timeout=1.0).close()
    except OSError:
        return True
    return False


def _watch(fleet: Fleet, stopped: threading.Event) -> None:
    """Return when somebody says stop; ProcessFailed if a process ends before."""
    while not stopped.wait(LOOK_S):
        for process in fleet.ended():
            raise ProcessFailed(f"{process.name} ended with code {process.returncode}", name=process.name)


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; the second Ctrl-C interrupts as usual."""
    stopped = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(output: Output, text: str | Text) -> None:
    output.say(Text.assemble(("dev      │ ", "bold"), text))


def _say_ready(output: Output, client: RedisOrchestrator, settings: Settings, address: str | None) -> None:
    workflows = client.registry.workflows()
    _say(output, f"state {settings.redis_url}, broker {settings.broker}")
    if address is not None:
        _say(output, f"HTTP API at {address}, without keys, for this machine only")
        if settings.dashboard and find_spec("nicegui") is not None:
            _say(output, f"dashboard at {address.removesuffix('/api/v1')}/dashboard/")
    _say(output, f"workflows: {', '.join(workflows) or 'none yet'}")
    _say(output, Text("ready; in another terminal, try:", style="bold green"))
    for command in _suggestions(client, workflows):
        _say(output, f"  orchestrator {command}")
    _say(output, "Ctrl-C stops everything that was started here")


def _suggestions(client: RedisOrchestrator, workflows: Sequence[str]) -> Iterator[str]:
    if not workflows:
        yield "publish specs/"
        return
    newest = client.registry.versions(workflows[0])[-1]
    sample = json.dumps(_sample(newest.input_schema or {}))
    yield f"start {newest.key} --version {newest.version} --input '{sample}' --wait"
    yield "runs"


def _sample(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An input with what the schema requires, to be edited."""
    properties = schema.get("properties", {})
    return {name: _SAMPLES.get(properties.get(name, {}).get("type"), "text") for name in schema.get("required", ())}
