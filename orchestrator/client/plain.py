"""Answers of the client's that are shown as they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that the command line and the API show as it is."""

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)
