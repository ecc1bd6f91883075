"""Large values are kept beside their run; the run's field holds a reference to them.

A reference is `@sha256:<digest>:<bytes>`, of the text itself. No JSON text begins with `@`, so a field is either. What
is kept has the digest as its name: keeping it twice changes nothing, and what comes back is checked against it.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import Protocol

from orchestrator.errors import InvalidSettings, PayloadLost
from orchestrator.settings import Settings
from orchestrator.store.blobs import FileBlobs, RedisBlobs, S3Blobs

SHORTEST_COMPRESSED = 4_096
_WORTH_IT = 0.8
"""Compressed is kept only what has at most this part of its size then."""

_LEVEL = 1  # level 6 takes more than three times as long, and saves a fiftieth more of JSON
_PLAIN, _COMPRESSED = b"=", b"z"
MARK = "@sha256:"
"""What references begin with."""
_REFERENCE = re.compile(rf"{MARK}([0-9a-f]{{64}}):(\d+)")


class Blobs(Protocol):
    """Keeps the bytes of runs under names. Every method raises Unreachable if it cannot be reached."""

    def put(self, run_id: str, name: str, content: bytes) -> None:
        """Keep it, for good when this returns."""

    def get(self, run_id: str, name: str) -> bytes | None:
        """What is kept; None if nothing is."""

    def delete_run(self, run_id: str) -> None:
        """Keep nothing more of this run."""


class Payloads:
    """The texts of runs: short ones as they are, others beside the run. Zlib, which every worker's Python has."""

    def __init__(self, blobs: Blobs, *, inline_bytes: int, compress: bool = True) -> None:
        self._blobs = blobs
        self.inline_bytes = inline_bytes
        """The longest text of a field."""
        self._compress = compress

    def stow(self, run_id: str, text: str) -> str:
        """What the run's field is to hold: the text, or a reference to it. Before the commit that writes the field."""
        return self.put(run_id, text) if self.goes_beside(text) else text

    def goes_beside(self, text: str) -> bool:
        """Whether it is too long for a field, or would be taken for a reference there."""
        most_bytes = 4 * len(text)
        return (most_bytes > self.inline_bytes and len(text.encode()) > self.inline_bytes) or is_reference(text)

    def fetch(self, run_id: str, held: str) -> str:
        """The JSON text that a run's field stands for."""
        return self.get(run_id, held) if is_reference(held) else held

    def put(self, run_id: str, text: str) -> str:
        """Keep a text beside the run; the reference to it."""
        raw, reference = text.encode(), reference_to(text)
        self._blobs.put(run_id, _parts(reference)[0], _packed(raw) if self._compress else _PLAIN + raw)
        return reference

    def get(self, run_id: str, reference: str) -> str:
        """The text that was kept; PayloadLost if it is gone or damaged."""
        digest, size = _parts(reference)
        content = self._blobs.get(run_id, digest)
        if content is None:
            raise PayloadLost(f"{reference} of run {run_id!r} is gone", run_id=run_id, reference=reference)
        try:
            raw = _unpacked(content, size)
        except (ValueError, zlib.error):
            raw = b""
        if hashlib.sha256(raw).hexdigest() != digest:
            raise PayloadLost(f"{reference} of run {run_id!r} is damaged", run_id=run_id, reference=reference)
        return raw.decode()

    def delete_run(self, run_id: str) -> None:
        """Keep nothing more of this run."""
        self._blobs.delete_run(run_id)


def is_reference(held: str) -> bool:
    """Whether a run's field holds a reference instead of its text."""
    return held.startswith(MARK) and _REFERENCE.fullmatch(held) is not None


def reference_to(text: str) -> str:
    """The reference under which a text is kept, if it is."""
    raw = text.encode()
    return f"{MARK}{hashlib.sha256(raw).hexdigest()}:{len(raw)}"


def open_payloads(settings: Settings) -> Payloads:
    """The payloads where the setting `payload_store` says."""
    return Payloads(_blobs(settings), inline_bytes=settings.inline_bytes, compress=settings.compress_payloads)


def _blobs(settings: Settings) -> Blobs:
    scheme, _, place = settings.payload_store.partition("://")
    match scheme:
        case "redis" if not place:
            return RedisBlobs(settings.redis_url, settings)
        case "file" if place.startswith("/"):
            return FileBlobs(place)
        case "s3" if place.strip("/"):
            return S3Blobs(place)
    message = f"`payload_store` is {settings.payload_store!r}; say `redis`, `file:///folder` or `s3://bucket/prefix`"
    raise InvalidSettings(message)


def _packed(raw: bytes) -> bytes:
    if len(raw) >= SHORTEST_COMPRESSED:
        compressed = zlib.compress(raw, _LEVEL)
        if len(compressed) <= len(raw) * _WORTH_IT:
            return _COMPRESSED + compressed
    return _PLAIN + raw


def _unpacked(content: bytes, size: int) -> bytes:
    kind, body = content[:1], content[1:]
    if kind == _COMPRESSED:
        return zlib.decompressobj().decompress(body, size + 1)
    if kind == _PLAIN:
        return body
    raise ValueError(f"unknown form {kind!r}")


def _parts(reference: str) -> tuple[str, int]:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise PayloadLost(f"{reference[:100]!r} is no reference to a payload", reference=reference[:100])
    return match[1], int(match[2])
