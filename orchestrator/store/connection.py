"""How this process speaks to Redis: one pool a URL, bounded retries, one error, scripts by their digest."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
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

Call = tuple[Sequence[str], Sequence[Any]]
"""The keys and the arguments of a script."""
Batch = tuple[Sequence[Call], Sequence[Sequence[Any]]]
"""Calls of a script, and commands that are sent with them and executed after them."""


class Script:
    """A Lua script of this package. Its first call on a server carries the text, the others only the digest."""

    __slots__ = ("digest", "text")

    def __init__(self, name: str) -> None:
        self.text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Connection:
    """A pool of sockets to one Redis; usable from any thread, and anew in each forked child; answers text, or bytes."""

    def __init__(self, url: str, *, text: bool = True) -> None:
        parts = urlsplit(url)
        self._place = f"{parts.hostname or parts.path}:{parts.port or 6379}"
        self._retry = Retry(
            ExponentialBackoff(cap=1, base=0.05),
            RETRIES,
            supported_errors=(RedisConnectionError, RedisTimeoutError, OSError),
        )
        self._own = threading.local()
        self._client: Any = redis.Redis.from_url(  # Any: what we use of it has no types
            url,
            protocol=2,
            decode_responses=text,
            socket_keepalive=True,
            socket_timeout=_SOCKET_TIMEOUT_S,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            health_check_interval=30,
            retry=self._retry,
        )

    def execute(self, *command: Any) -> Any:
        """The answer to one command."""
        return self._reach(lambda: self._client.execute_command(*command))

    def ask(self, *command: Any) -> Any:
        """The answer as the server gives it, where that is a text or a number; over this thread's own socket."""
        return self._reach(lambda: self._ask(*command))

    def ask_many(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """As `ask`, of many commands that are sent together; a map comes flat, each value behind its name."""
        return _parted(self._reach(lambda: self._ask_all(commands)), len(commands))[0]

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """The answer of a script."""
        return self._reach(lambda: self._run(script, keys, args))

    def run_many(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """The answers of a script to many calls, sent together."""
        return self.run_and(script, calls, ())[0]

    def run_and(
        self, script: Script, calls: Sequence[Call], commands: Sequence[Sequence[Any]]
    ) -> tuple[list[Any], list[Any]]:
        """The answers of a script to calls, and to commands that are sent with them and executed after them.

        That a command was refused is its answer; that a call was, is raised.
        """
        sent = [*_calls(script, calls, known=len(calls) <= 1), *commands]
        answers = self._reach(lambda: self._ask_all(sent))
        if isinstance(answers[0], NoScriptError):
            sent = [*_calls(script, calls, known=False), *commands]
            answers = self._reach(lambda: self._ask_all(sent))
        return _parted(answers, len(calls))

    def run_each(self, script: Script, batches: Iterable[Batch]) -> list[tuple[list[Any], list[Any]]]:
        """The answers to batches, as `run_and` gives them; each is sent before those to the one before it are read.

        So a batch is made while the server works on the last one. Making it must not use this connection. What was sent
        and not answered when the connection is lost, is sent again.
        """
        found: list[tuple[list[Any], list[Any]]] = []
        unanswered: deque[Batch] = deque()
        following, connection = iter(batches), self._socket()

        def hear() -> None:
            calls, commands = unanswered[0]
            found.append(_parted([_answer(connection) for _ in range(len(calls) + len(commands))], len(calls)))
            unanswered.popleft()

        try:
            for calls, commands in following:
                unanswered.append((calls, commands))
                sent = [*_calls(script, calls, known=False), *commands]
                connection.send_packed_command(connection.pack_commands(sent))
                if len(unanswered) > 1:
                    hear()
            while unanswered:
                hear()
        except (RedisConnectionError, RedisTimeoutError, OSError):
            connection.disconnect()
        except BaseException:
            connection.disconnect()
            raise
        return found + [self.run_and(script, *batch) for batch in (*unanswered, *following)]

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
        self._own = threading.local()

    def _run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        try:
            return self._ask("EVALSHA", script.digest, len(keys), *keys, *args)
        except NoScriptError:
            return self._ask("EVAL", script.text, len(keys), *keys, *args)

    def _ask(self, *command: Any) -> Any:
        """The answer to a command, over this thread's own socket: redis-py's pool takes longer than a short script."""
        connection = self._socket()
        return self._retry.call_with_retry(lambda: _exchange(connection, command), lambda _: connection.disconnect())

    def _ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """The answers to commands that are sent together, over this thread's own socket."""
        connection = self._socket()
        answers: list[Any] = self._retry.call_with_retry(
            lambda: _exchange_all(connection, commands), lambda _: connection.disconnect()
        )
        return answers

    def _socket(self) -> Any:
        maker, connection = getattr(self._own, "made", (0, None))
        if maker != os.getpid():
            pool = self._client.connection_pool
            connection = pool.connection_class(**pool.connection_kwargs)
            self._own.made = os.getpid(), connection
        return connection

    def _reach(self, call: Callable[[], _Result]) -> _Result:
        try:
            return call()
        except (RedisConnectionError, RedisTimeoutError) as error:
            raise Unreachable(f"Redis at {self._place} does not answer: {error}", place=self._place) from error


def _calls(script: Script, calls: Sequence[Call], *, known: bool) -> list[tuple[Any, ...]]:
    """The commands that call a script; the first of them carries its text, unless the server knows it."""
    sent: list[tuple[Any, ...]] = [("EVALSHA", script.digest, len(keys), *keys, *args) for keys, args in calls]
    return sent if known or not sent else [("EVAL", script.text, *sent[0][2:]), *sent[1:]]


def _parted(answers: list[Any], calls: int) -> tuple[list[Any], list[Any]]:
    """The answers to calls and to commands; a call that was refused is raised."""
    refused = next((answer for answer in answers[:calls] if isinstance(answer, ResponseError)), None)
    if refused is not None:
        raise refused
    return answers[:calls], answers[calls:]


def _exchange(connection: Any, command: Sequence[Any]) -> Any:
    try:
        connection.send_command(*command)
        return connection.read_response()
    except ResponseError:
        raise
    except BaseException:  # whatever interrupts it: an answer that comes late must not meet the next question
        connection.disconnect()
        raise


def _exchange_all(connection: Any, commands: Sequence[Sequence[Any]]) -> list[Any]:
    try:
        connection.send_packed_command(connection.pack_commands(commands))
        return [_answer(connection) for _ in commands]
    except BaseException:
        connection.disconnect()
        raise


def _answer(connection: Any) -> Any:
    """The next answer; an error, if that is what the server says."""
    try:
        return connection.read_response()
    except ResponseError as refused:
        return refused
