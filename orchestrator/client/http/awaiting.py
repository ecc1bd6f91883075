"""Verbs over HTTP, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from orchestrator.client.http.drivers import AsyncDriver, configured
from orchestrator.client.http.verbs import ClientVerbs


@dataclass(frozen=True, slots=True)
class HttpBackend:
    """Runs the verbs of its target on the event loop."""

    target: Any
    driver: AsyncDriver

    def of(self, target: Any) -> HttpBackend:
        """The same for another target."""
        return replace(self, target=target)

    async def call(self, verb: str, *args: Any, **options: Any) -> Any:
        """What a verb returns."""
        return await self.driver.run(getattr(self.target, verb)(*args, **options))

    def stream(self, verb: str, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """What a verb gives, as it comes."""
        return self.driver.stream(getattr(self.target, verb)(*args, **options))

    async def close(self) -> None:
        """Close the sockets."""
        await self.driver.close()


def over_http(url: str, api_key: str | None) -> HttpBackend:
    """The verbs of the API at a URL."""
    return HttpBackend(ClientVerbs(), AsyncDriver(httpx.AsyncClient(**configured(url, api_key))))
