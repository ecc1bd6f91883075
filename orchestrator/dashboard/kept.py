"""Scripts, styles and fonts, answered from memory and compressed once: a browser that has none of them asks for all.

They are the same for as long as the process runs, as their addresses change with them.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST: Final = 100
"""So many are kept; others are answered as ever."""
_LARGEST: Final = 1_000_000
"""In bytes; what is larger is not kept."""
_LEVEL: Final = 6
_PACKED: Final = ("text/", "application/javascript", "application/json", "image/svg+xml")
"""What compression makes smaller; fonts are compressed as they are."""
_UNASKED: Final = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since"})
"""What would make the answer of one request unfit for others."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is sent to whoever takes gzip, and to everybody else."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    packed: bytes | None

    async def send(self, send: Send, *, takes_gzip: bool) -> None:
        body = self.packed if takes_gzip and self.packed is not None else self.body
        head: Message = {"type": "http.response.start", "status": 200, "headers": [*self.headers]}
        headers = MutableHeaders(scope=head)
        headers["Content-Length"] = str(len(body))
        if self.packed is not None:
            headers.add_vary_header("Accept-Encoding")
        if body is self.packed:
            headers["Content-Encoding"] = "gzip"
        await send(head)
        await send({"type": "http.response.body", "body": body})


@dataclass(slots=True)
class _Listened:
    """An answer, as the application gives it."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def hear(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], [*message["headers"]]
        else:
            self.body += message.get("body", b"")

    @property
    def answer(self) -> _Answer | None:
        """As it is kept, if it can be."""
        kind = Headers(raw=self.headers).get("content-type", "")
        if self.status != 200 or len(self.body) > _LARGEST:  # noqa: PLR2004
            return None
        packed = gzip.compress(self.body, _LEVEL) if kind.startswith(_PACKED) else None
        return _Answer(self.headers, self.body, packed)


class Kept:
    """Stands before the application and answers what is below these paths, once it has heard the answer."""

    def __init__(self, app: ASGIApp, paths: Sequence[str]) -> None:
        self.app = app
        self._paths = tuple(paths)
        self._answers: dict[str, _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        path, headers = scope["path"].removeprefix(scope.get("root_path", "")), Headers(scope=scope)
        if not path.startswith(self._paths) or "range" in headers:
            await self.app(scope, receive, send)
            return
        answer = self._answers.get(path) or await self._hear(path, scope, receive)
        if answer is None:
            await self.app(scope, receive, send)
            return
        await answer.send(send, takes_gzip="gzip" in headers.get("accept-encoding", ""))

    async def _hear(self, path: str, scope: Scope, receive: Receive) -> _Answer | None:
        if len(self._answers) >= _MOST:
            return None
        listened = _Listened()
        plain = [one for one in scope["headers"] if one[0] not in _UNASKED]
        await self.app({**scope, "headers": plain}, receive, listened.hear)
        answer = listened.answer
        if answer is not None:
            self._answers[path] = answer
        return answer
