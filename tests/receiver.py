"""A receiver of webhooks, in a thread of the test's process: a real HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Received:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, and what it answers: the statuses in their order, the last of them for ever."""

    statuses: Sequence[int] = (200,)
    port: int = 0
    received: list[Received] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """What it says besides."""
    gate: threading.Event | None = None
    """It answers once this is set."""

    def url(self, path: str = "/hook") -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}{path}"

    def status(self) -> int:
        """What it answers to the request that has just come."""
        return self.statuses[min(len(self.received), len(self.statuses)) - 1]


@contextmanager
def receiving(*statuses: int, gate: threading.Event | None = None) -> Iterator[Receiver]:
    """A receiver at a port of its own."""
    receiver = Receiver(statuses or (200,), gate=gate)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.received.append(Received(self.path, dict(self.headers.items()), body))
            if receiver.gate is not None:
                receiver.gate.wait(30)
            self.send_response(receiver.status())
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
