"""Server-sent events, from lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    id: str
    kind: str
    data: str

    @property
    def json(self) -> Any:
        """What it says."""
        return json.loads(self.data)


@dataclass(slots=True)
class EventReader:
    """Puts events together from the lines of a stream, as the WHATWG's parser does with what a server of ours sends."""

    _fields: dict[str, str] = field(default_factory=dict)

    def take(self, line: str) -> Event | None:
        """The event that this line ends, if it ends one. A comment ends none."""
        if line:
            name, _, value = line.partition(":")
            if name in ("id", "event"):
                self._fields[name] = value.removeprefix(" ")
            elif name == "data":
                before = self._fields.get("data")
                value = value.removeprefix(" ")
                self._fields["data"] = value if before is None else f"{before}\n{value}"
            return None
        found, self._fields = self._fields, {}
        if "data" not in found:
            return None
        return Event(found.get("id", ""), found.get("event", "message"), found["data"])
