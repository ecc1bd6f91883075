"""Laws of the places where large payloads are kept, tried on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import Unreachable
from orchestrator.local.redis_server import LocalRedis, free_port
from orchestrator.settings import Settings
from orchestrator.store.blobs import FileBlobs, MemoryBlobs, RedisBlobs, S3Blobs
from orchestrator.store.connection import Connection
from orchestrator.store.keys import Keys
from orchestrator.store.payloads import Blobs
from tests.contract.s3_server import S3Server, s3_server

BYTES = bytes(range(256))
CHILD = "root/ship[3]/child~1:ü"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server that the environment names as the one of AWS."""
    pytest.importorskip("boto3", reason="the extra `s3` is not installed")
    names = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    with s3_server() as server:
        for name, value in {**names, "AWS_ENDPOINT_URL": server.url, "AWS_CONFIG_FILE": "/dev/null"}.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(params=["memory", "redis", "file", "s3"])
def blobs(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Blobs:
    """Each law is tried everywhere."""
    match request.param:
        case "redis":
            return RedisBlobs(request.getfixturevalue("redis_server").url(), settings)
        case "file":
            return FileBlobs(str(tmp_path / "payloads"))
        case "s3":
            request.getfixturevalue("s3")
            return S3Blobs("bucket/some/prefix/")
    return MemoryBlobs()


@pytest.mark.parametrize("run_id", ["run", CHILD, "x" * 300])
def test_what_is_kept_comes_back(blobs: Blobs, run_id: str) -> None:
    """Byte for byte, however the run is named."""
    blobs.put(run_id, "one", BYTES)
    blobs.put(run_id, "one", BYTES)
    blobs.put(run_id, "empty", b"")

    assert blobs.get(run_id, "one") == BYTES
    assert blobs.get(run_id, "empty") == b""


def test_what_was_never_kept_is_none(blobs: Blobs) -> None:
    """Another run's is not this one's."""
    blobs.put("run", "one", BYTES)

    assert blobs.get("run", "two") is None
    assert blobs.get("run/child", "one") is None


def test_a_run_is_deleted_with_all_that_it_keeps(blobs: Blobs) -> None:
    """And nothing of others, its children included."""
    for name in "abcde":
        blobs.put("run", name, BYTES)
    blobs.put("run/child", "a", BYTES)

    blobs.delete_run("run")
    blobs.delete_run("run")

    assert [blobs.get("run", name) for name in "abcde"] == [None] * 5
    assert blobs.get("run/child", "a") == BYTES


def test_in_redis_it_is_one_key_of_the_runs_shard(redis_server: LocalRedis, settings: Settings) -> None:
    """So that the commit that deletes a run can delete it too."""
    keys = Keys(settings.namespace, settings.shards)

    RedisBlobs(redis_server.url(), settings).put(CHILD, "one", BYTES)

    found = Connection(redis_server.url()).execute("KEYS", f"{settings.namespace}:*")
    assert found == [keys.payloads(CHILD)]
    assert keys.payloads(CHILD).partition("}")[0] == keys.run(CHILD).partition("}")[0]


def test_a_file_that_is_not_whole_is_never_seen(tmp_path: Path) -> None:
    """It has its name when everything is on the disk, and nothing else is left."""
    blobs = FileBlobs(str(tmp_path))

    blobs.put("run", "one", BYTES)

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["one"]


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    """What was written of it is taken away again."""
    blobs = FileBlobs(str(tmp_path))
    blobs.put("run", "one", BYTES)
    (folder,) = tmp_path.iterdir()
    (folder / "two").mkdir()

    with pytest.raises(Unreachable):
        blobs.put("run", "two", BYTES)

    assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]


def test_a_folder_that_cannot_be_written_is_unreachable(tmp_path: Path) -> None:
    """As a server that does not answer is."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Unreachable, match="payloads at"):
        FileBlobs(str(tmp_path / "file")).put("run", "one", BYTES)


def test_a_server_that_is_gone_is_unreachable(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its place in the message."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(Unreachable, match="s3://bucket"):
        S3Blobs("bucket").get("run", "one")


def test_objects_lie_under_the_prefix(s3: S3Server) -> None:
    """One bucket may serve many."""
    S3Blobs("bucket/some/prefix").put("run", "one", BYTES)
    S3Blobs("bucket").put("run", "one", BYTES)

    under, bare = sorted(s3.objects, key=len, reverse=True)
    assert under.startswith("/bucket/some/prefix/")
    assert under.removeprefix("/bucket/some/prefix") == bare.removeprefix("/bucket")
