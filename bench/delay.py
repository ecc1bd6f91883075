"""A Redis that answers late: behind a TCP proxy that holds everything back for a while, as a network does."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Self

from orchestrator.local import LocalRedis, ManagedProcess
from orchestrator.local.redis_server import LOOPBACK, free_port

CHUNK = 65_536


class DelayedRedis(LocalRedis):
    """A server whose answers take so many milliseconds longer."""

    def __init__(self, delay_ms: float) -> None:
        super().__init__()
        self._delay_ms = delay_ms
        self._proxy_port = free_port()
        self._proxy: ManagedProcess | None = None

    def url(self, db: int = 0) -> str:
        """The URL of a database, through the proxy."""
        return f"redis://{LOOPBACK}:{self._proxy_port}/{db}"

    def start(self) -> Self:
        """Start the server, then what stands before it."""
        super().start()
        ports = str(self._proxy_port), str(self.port)
        command = [sys.executable, "-m", "bench.delay", *ports, str(self._delay_ms / 2)]
        self._proxy = ManagedProcess("delay", command).start()
        self._proxy.wait_for_line("ready")
        return self

    def close(self) -> None:
        """End both."""
        if self._proxy is not None:
            self._proxy.kill()
        super().close()


async def serve(port: int, target: int, delay_s: float) -> None:
    """Pass on what comes in on a port, and what comes back, each so much later."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(LOOPBACK, target)
        with suppress(OSError):
            await asyncio.gather(_pass_on(reader, requests, delay_s), _pass_on(answers, writer, delay_s))

    async with await asyncio.start_server(accept, LOOPBACK, port):
        print("ready", flush=True)
        await asyncio.Event().wait()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """In order; what comes meanwhile is under way at the same time."""
    loop = asyncio.get_running_loop()
    while chunk := await reader.read(CHUNK):
        loop.call_later(delay_s, writer.write, chunk)
    loop.call_later(delay_s, writer.close)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
