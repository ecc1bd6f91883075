"""Bodies over the limit are refused before they are read to their end."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.problems import response
from orchestrator.errors import BodyTooLarge


class BodyLimit:
    """Counts what comes, whatever `Content-Length` says."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        received, begun = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise self._too_large(received)
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if said.isdigit() and int(said) > self.limit:
                raise self._too_large(int(said))
            await self.app(scope, counted, watched)
        except BodyTooLarge as error:
            if begun:
                raise
            await response(scope["path"], error)(scope, receive, send)

    def _too_large(self, size: int) -> BodyTooLarge:
        return BodyTooLarge(f"the body has {size} bytes or more, the limit is {self.limit}", limit=self.limit)
