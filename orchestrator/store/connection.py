"""How this process speaks to Redis: one pool a URL, bounded retries, one error, scripts by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from orchestrator.errors import Unreachable

BLOCK_MS = 2_000
"""The longest that one command may block; well under the time after which a silent connection is given up."""

_SOCKET_TIMEOUT_S = 5
_CONNECT_TIMEOUT_S = 2
RETRIES = 6
"""With their pauses about four seconds, in which a server can be started again."""

_Result = TypeVar("_Result")


class Script:
    """A Lua script of this package. Its first call on a server carries the text, the others only the digest."""

    __slots__ = ("digest", "text")

    def __init__(self, name: str) -> None:
        self.text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Connection:
    """A pool of sockets to one Redis; usable from any thread, and anew in each forked child."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._place = f"{parts.hostname or parts.path}:{parts.port or 6379}"
        self._client: Any = redis.Redis.from_url(  # Any: what we use of it has no types
            url,
            protocol=2,
            decode_responses=True,
            socket_keepalive=True,
            socket_timeout=_SOCKET_TIMEOUT_S,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            health_check_interval=30,
            retry=Retry(
                ExponentialBackoff(cap=1, base=0.05),
                RETRIES,
                supported_errors=(RedisConnectionError, RedisTimeoutError, OSError),
            ),
        )

    def execute(self, *command: Any) -> Any:
        """The answer to one command."""
        return self._reach(lambda: self._client.execute_command(*command))

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """The answer of a script."""
        return self._reach(lambda: self._run(script, keys, args))

    def run_many(self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Any]]]) -> list[Any]:
        """The answers of a script to many calls, sent together."""
        pipeline = self._client.pipeline(transaction=False)
        for number, (keys, args) in enumerate(calls):
            name, body = ("EVALSHA", script.digest) if number else ("EVAL", script.text)
            pipeline.execute_command(name, body, len(keys), *keys, *args)
        answers: list[Any] = self._reach(pipeline.execute)
        return answers

    def execute_many(self, commands: Sequence[Sequence[Any]], *, atomically: bool = False) -> list[Any]:
        """The answers to many commands, sent together."""
        pipeline = self._client.pipeline(transaction=atomically)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = self._reach(pipeline.execute)
        return answers

    def time_ms(self) -> int:
        """Redis's clock."""
        seconds, microseconds = self.execute("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    def close(self) -> None:
        """Close the sockets; the next command opens new ones."""
        self._client.close()

    def _run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        try:
            return self._client.execute_command("EVALSHA", script.digest, len(keys), *keys, *args)
        except NoScriptError:
            return self._client.execute_command("EVAL", script.text, len(keys), *keys, *args)

    def _reach(self, call: Callable[[], _Result]) -> _Result:
        try:
            return call()
        except (RedisConnectionError, RedisTimeoutError) as error:
            raise Unreachable(f"Redis at {self._place} does not answer: {error}", place=self._place) from error
