"""A mail server on a free port: it takes what it is sent, and answers as it is told."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class MailServer:
    """`replies` replaces the answer to a command; an empty one breaks the connection off."""

    port: int = 0
    messages: list[str] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address, as `ORCHESTRATOR_SMTP_URL` has it."""
        return f"smtp://127.0.0.1:{self.port}"


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    """A server in a thread, stopped at the end of the block."""
    mail = MailServer()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline():
                command = line.decode().split(maxsplit=1)[0].strip().upper()
                if not self._answer(command):
                    return

        def _answer(self, command: str) -> bool:
            reply = mail.replies.get(command, {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 ok"))
            if reply:
                self._say(reply)
            if reply.startswith("354"):
                mail.messages.append(self._read_message())
                return self._answer("END")
            return bool(reply) and command != "QUIT"

        def _read_message(self) -> str:
            lines = iter(self.rfile.readline, b".\r\n")
            return b"".join(lines).decode()

        def _say(self, reply: str) -> None:
            self.wfile.write(f"{reply}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is no news."""

    with Server(("127.0.0.1", 0), Session) as server:
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield mail
        server.shutdown()
        thread.join()
