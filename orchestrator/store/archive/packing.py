"""How a run is laid out in the archive: rows from runs, and runs from rows."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.indexes import INDEXES
from orchestrator.engine.sla import RUN_STATE
from orchestrator.store.archive.port import EndedRun
from orchestrator.store.payloads import Payloads
from orchestrator.store.port import HistoryEntry

HEAD: Final = frozenset(
    {
        fields.INCARNATION,
        fields.CREATED_AT,
        fields.WORKFLOW,
        fields.VERSION,
        fields.STATUS,
        fields.PAUSED,
        fields.COMPENSATION,
        fields.ENDED_AT,
        fields.STARTED_BY,
        fields.ERROR,
        fields.ATTENTION,
        fields.ARCHIVED_AT,
        *RUN_STATE,
        INDEXES,
    }
)
"""What lists read of a run. Anything else is read out of all its fields, which takes longer."""
CHUNK: Final = 500
"""Events of a history that are kept together."""
INLINE_BYTES: Final = 65_536
"""Longer values are kept beside the run's fields."""

Row = dict[str, Any]


@dataclass(slots=True)
class Held:
    """The bytes of payloads by their digests: what is put beside one run, or was read for it."""

    content: dict[str, bytes] = field(default_factory=dict)

    def put(self, run_id: str, name: str, content: bytes) -> None:  # noqa: ARG002  # one run's
        """Keep it."""
        self.content[name] = content

    def get(self, run_id: str, name: str) -> bytes | None:  # noqa: ARG002
        """What is kept."""
        return self.content.get(name)

    def delete_run(self, run_id: str) -> None:  # noqa: ARG002
        """Keep nothing."""
        self.content.clear()


@dataclass(frozen=True, slots=True)
class Packed:
    """The rows of one run."""

    run: Row
    index: list[Row]
    events: list[Row]
    payloads: list[Row]


def pack(run: EndedRun, now_ms: int) -> Packed:
    """The rows that a run becomes."""
    beside = Held()
    kept = Payloads(beside, inline_bytes=INLINE_BYTES)
    values = {name: text for name, text in run.fields.items() if name != fields.ARCHIVED}
    values[fields.ARCHIVED_AT] = str(now_ms)
    error = json.loads(values.get(fields.ERROR, "null")) or {}
    created_at = int(values.get(fields.CREATED_AT, "0"))
    row = {
        "run_id": run.run_id,
        "workflow": values.get(fields.WORKFLOW, ""),
        "version": values.get(fields.VERSION, ""),
        "status": values.get(fields.STATUS, ""),
        "compensation": values.get(fields.COMPENSATION, "none"),
        "created_at": created_at,
        "ended_at": int(values.get(fields.ENDED_AT, "0")),
        "incarnation": int(values.get(fields.INCARNATION, "1")),
        "touched": int(values.get(fields.TOUCHED, "0")),
        "started_by": storable(values.get(fields.STARTED_BY, "")),
        "error_code": storable(error["code"]) if error.get("code") else None,
        "attention": values.get(fields.ATTENTION),
        "parent": values.get(fields.PARENT),
        "archived_at": now_ms,
        "head": json.dumps({name: text for name, text in values.items() if name in HEAD}),
        "fields": squeezed({name: kept.stow(run.run_id, text) for name, text in values.items()}),
    }
    names = {storable(name) for name in run.found_by}
    return Packed(
        run=row,
        index=[{"name": name, "created_at": created_at, "run_id": run.run_id} for name in sorted(names)],
        events=list(_event_rows(run)),
        payloads=[{"run_id": run.run_id, "digest": name, "content": held} for name, held in beside.content.items()],
    )


def unpack(run_id: str, content: bytes, beside: Mapping[str, bytes]) -> dict[str, str]:
    """A run's fields; `beside` holds its payloads by their digests."""
    kept = Payloads(Held(dict(beside)), inline_bytes=INLINE_BYTES)
    return {name: kept.fetch(run_id, held) for name, held in json.loads(zlib.decompress(content)).items()}


def entries_of(content: bytes) -> list[HistoryEntry]:
    """The events of one row."""
    return [HistoryEntry(id_, int(id_.partition("-")[0]), event) for id_, event in json.loads(zlib.decompress(content))]


def place_of(entry_id: str) -> tuple[int, int]:
    """What the ids of events are ordered by."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)


def squeezed(value: Any) -> bytes:
    """Compressed JSON."""
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 6)


def storable(text: str) -> str:
    """The text as every database takes it: PostgreSQL knows no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _event_rows(run: EndedRun) -> Iterator[Row]:
    for number, first in enumerate(range(0, len(run.history), CHUNK)):
        part: Sequence[HistoryEntry] = run.history[first : first + CHUNK]
        until_ms, until_seq = place_of(part[-1].id)
        content = squeezed([[entry.id, entry.event] for entry in part])
        yield {
            "run_id": run.run_id,
            "number": number,
            "until_ms": until_ms,
            "until_seq": until_seq,
            "content": content,
        }
