"""What is kept beside a run, and how a field refers to it."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InvalidSettings, PayloadLost
from orchestrator.settings import Settings
from orchestrator.store.blobs import FileBlobs, MemoryBlobs
from orchestrator.store.payloads import SHORTEST_COMPRESSED, Payloads, is_reference, open_payloads

LONG = json.dumps([{"id": number, "name": "ü"} for number in range(1_000)], ensure_ascii=False)
SIGNS = [chr(code) for code in range(35, 127) if chr(code) != "\\"]
DIGEST = hashlib.sha256(LONG.encode()).hexdigest()


def _payloads(blobs: MemoryBlobs | None = None, *, inline_bytes: int = 100, compress: bool = True) -> Payloads:
    return Payloads(blobs or MemoryBlobs(), inline_bytes=inline_bytes, compress=compress)


def test_a_short_text_stays_where_it_is() -> None:
    """Up to the limit, counted in bytes."""
    payloads = _payloads(inline_bytes=4)

    assert payloads.stow("run", '"üa"'[:3]) == '"üa'
    assert is_reference(payloads.stow("run", '"üa"'))


def test_a_long_text_is_kept_under_its_digest() -> None:
    """The reference says what it is and how long."""
    payloads = _payloads()

    held = payloads.stow("run", LONG)

    assert held == f"@sha256:{DIGEST}:{len(LONG.encode())}"
    assert payloads.fetch("run", held) == LONG


@given(text=st.recursive(st.none() | st.text() | st.floats(allow_nan=False) | st.integers(), st.lists).map(json.dumps))
def test_no_json_text_is_taken_for_a_reference(text: str) -> None:
    """So a field needs no other mark."""
    payloads = _payloads(inline_bytes=10)

    assert not is_reference(text)
    assert payloads.fetch("run", payloads.stow("run", text)) == text


def test_keeping_a_text_twice_keeps_it_once() -> None:
    """A doubled message changes nothing."""
    blobs = MemoryBlobs()
    payloads = _payloads(blobs)

    assert payloads.put("run", LONG) == payloads.put("run", LONG)
    assert list(blobs._kept["run"]) == [DIGEST]


@pytest.mark.parametrize(
    ("text", "compress", "saves"),
    [
        (LONG, True, True),
        (LONG, False, False),
        ('"' + "a" * (SHORTEST_COMPRESSED - 3) + '"', True, False),
        ('"' + "a" * (SHORTEST_COMPRESSED - 2) + '"', True, True),
    ],
    ids=["long", "switched-off", "short", "just-long-enough"],
)
def test_compression_is_used_where_it_saves(text: str, compress: bool, saves: bool) -> None:
    """And is read back whatever the setting is then."""
    blobs = MemoryBlobs()

    reference = _payloads(blobs, compress=compress).put("run", text)

    (kept,) = blobs._kept["run"].values()
    assert (len(kept) < len(text.encode()) * 0.8) is saves
    assert _payloads(blobs, compress=not compress).get("run", reference) == text


def test_what_hardly_shrinks_is_kept_as_it_is() -> None:
    """Less than a fifth is not worth the time."""
    blobs, text = MemoryBlobs(), json.dumps("".join(random.Random(1).choices(SIGNS, k=9_000)))

    reference = _payloads(blobs).put("run", text)

    (kept,) = blobs._kept["run"].values()
    assert kept == b"=" + text.encode()
    assert _payloads(blobs).get("run", reference) == text


def test_a_payload_that_is_gone_is_lost() -> None:
    """As after its run was deleted; the error names both."""
    payloads = _payloads()
    reference = payloads.put("run", LONG)
    payloads.delete_run("run")

    with pytest.raises(PayloadLost, match="gone") as lost:
        payloads.get("run", reference)

    assert lost.value.details == {"run_id": "run", "reference": reference}


@pytest.mark.parametrize("content", [b"", b"=", b"=wrong", b"zwrong", b"?", b"=" + LONG.replace("0", "1").encode()])
def test_a_damaged_payload_is_lost(content: bytes) -> None:
    """Nothing but what was kept comes back."""
    blobs = MemoryBlobs()
    reference = _payloads(blobs).put("run", LONG)
    blobs.put("run", DIGEST, content)

    with pytest.raises(PayloadLost, match="damaged"):
        _payloads(blobs).get("run", reference)


def test_what_is_no_reference_cannot_be_got() -> None:
    """Before anything is asked of the store."""
    with pytest.raises(PayloadLost, match="no reference"):
        _payloads().get("run", f"@sha256:{DIGEST}")


@pytest.mark.parametrize("text", ["@", "@somebody", "@sha256:abc:1", f"@sha256:{DIGEST}:1", f"@sha256:{DIGEST}"])
def test_every_text_comes_back_as_it_was(text: str) -> None:
    """One that looks like a reference is kept beside the run, however short."""
    payloads = _payloads()

    assert payloads.fetch("run", payloads.stow("run", text)) == text


def test_a_folder_is_a_setting(tmp_path: object) -> None:
    """Every process with the same setting finds what the others kept."""
    settings = Settings(payload_store=f"file://{tmp_path}", inline_bytes=10)

    held = open_payloads(settings).stow("run", LONG)

    assert open_payloads(settings).fetch("run", held) == LONG
    assert FileBlobs(str(tmp_path)).get("run", DIGEST) is not None


@pytest.mark.parametrize("place", ["", "redis://host", "file://relative", "file://", "s3://", "ftp://x"])
def test_a_store_that_cannot_be_is_refused(place: str) -> None:
    """With the forms that can."""
    with pytest.raises(InvalidSettings, match="file:///folder"):
        open_payloads(Settings(payload_store=place))
