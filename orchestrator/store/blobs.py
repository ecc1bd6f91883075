"""Where the bytes of large payloads are kept: Redis, a folder that all share, or an S3-compatible store."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from orchestrator.errors import InvalidSettings, Unreachable
from orchestrator.settings import Settings
from orchestrator.store.connection import Connection
from orchestrator.store.keys import Keys


class MemoryBlobs:
    """In this process, for tests."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, bytes]] = {}
        self._lock = threading.Lock()

    def put(self, run_id: str, name: str, content: bytes) -> None:
        """Keep it."""
        with self._lock:
            self._kept.setdefault(run_id, {})[name] = content

    def get(self, run_id: str, name: str) -> bytes | None:
        """What is kept; None if nothing is."""
        with self._lock:
            return self._kept.get(run_id, {}).get(name)

    def delete_run(self, run_id: str) -> None:
        """Keep nothing more of this run."""
        with self._lock:
            self._kept.pop(run_id, None)


class RedisBlobs:
    """In a key of the run's shard."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url, text=False)

    def put(self, run_id: str, name: str, content: bytes) -> None:
        """Keep it."""
        self._connection.execute("HSET", self._keys.payloads(run_id), name, content)

    def get(self, run_id: str, name: str) -> bytes | None:
        """What is kept; None if nothing is."""
        found: bytes | None = self._connection.execute("HGET", self._keys.payloads(run_id), name)
        return found

    def delete_run(self, run_id: str) -> None:
        """Keep nothing more of this run."""
        self._connection.execute("UNLINK", self._keys.payloads(run_id))


class FileBlobs:
    """In a folder that every worker and client sees under the same path."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def put(self, run_id: str, name: str, content: bytes) -> None:
        """Keep it: written beside, flushed to the disk, and only then given its name."""
        folder = self._of(run_id)
        unfinished = folder / f".{secrets.token_hex(8)}"
        with _reaching(str(self._folder), OSError):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(folder / name)
            finally:
                unfinished.unlink(missing_ok=True)

    def get(self, run_id: str, name: str) -> bytes | None:
        """What is kept; None if nothing is."""
        with _reaching(str(self._folder), OSError):
            try:
                return (self._of(run_id) / name).read_bytes()
            except FileNotFoundError:
                return None

    def delete_run(self, run_id: str) -> None:
        """Keep nothing more of this run."""
        with _reaching(str(self._folder), OSError):
            try:
                shutil.rmtree(self._of(run_id))
            except FileNotFoundError:
                return

    def _of(self, run_id: str) -> Path:
        return self._folder / _folder_name(run_id)


class S3Blobs:
    """In a bucket; who we are and where it is comes from the standard AWS variables and files."""

    def __init__(self, place: str) -> None:
        bucket, _, prefix = place.partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/".lstrip("/")
        try:
            boto3, botocore = import_module("boto3"), import_module("botocore")
        except ModuleNotFoundError as error:
            raise InvalidSettings("`payload_store` is on S3, which needs boto3: install the extra `s3`") from error
        config = botocore.config.Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard"})
        self._client: Any = boto3.session.Session().client("s3", config=config)
        self._failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)

    def put(self, run_id: str, name: str, content: bytes) -> None:
        """Keep it."""
        with self._reaching():
            self._client.put_object(Bucket=self._bucket, Key=self._of(run_id) + name, Body=content)

    def get(self, run_id: str, name: str) -> bytes | None:
        """What is kept; None if nothing is."""
        with self._reaching():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._of(run_id) + name)
            except self._client.exceptions.NoSuchKey:
                return None
            content: bytes = answer["Body"].read()
            return content

    def delete_run(self, run_id: str) -> None:
        """Keep nothing more of this run."""
        with self._reaching():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._of(run_id)):
                kept = [{"Key": one["Key"]} for one in page.get("Contents", ())]
                if kept:
                    self._delete(kept)

    def _delete(self, kept: list[dict[str, str]]) -> None:
        answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": kept, "Quiet": True})
        if refused := answer.get("Errors"):
            message = (
                f"{len(refused)} payloads at s3://{self._bucket} were not deleted: {refused[0].get('Message', '')}"
            )
            raise Unreachable(message, place=f"s3://{self._bucket}")

    def _of(self, run_id: str) -> str:
        return f"{self._prefix}{_folder_name(run_id)}/"

    def _reaching(self) -> Any:
        return _reaching(f"s3://{self._bucket}", *self._failures)


@contextmanager
def _reaching(place: str, *failures: type[Exception]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        raise Unreachable(f"the payloads at {place} cannot be reached: {error}", place=place) from error


def _folder_name(run_id: str) -> str:
    """Ids of runs may be longer than a file's name, and those of children have slashes."""
    return hashlib.sha256(run_id.encode()).hexdigest()
