"""What a page is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.client.access import Role
from orchestrator.dashboard.visit import Visit


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it is, what it is called, who may see it, and what builds it."""

    path: str
    title: str
    show: Callable[[Visit], Awaitable[None]]
    keys: str = ""
    """Leads there from anywhere, such as `g r`; a page without is not in the navigation."""
    needed: Role = Role.VIEWER
    parent: str = ""
    """The path of the page that is marked in the navigation instead, for one that is not in it."""

    @property
    def nav(self) -> str:
        """The path that is marked in the navigation."""
        return self.parent or self.path
