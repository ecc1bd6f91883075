"""What only the store on Redis can get wrong: its connection, its scripts, its keys."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from orchestrator.engine.commit import Answer
from orchestrator.errors import Unreachable
from orchestrator.local.redis_server import LocalRedis, free_port
from orchestrator.settings import Settings
from orchestrator.store import connection as connections
from orchestrator.store.connection import Connection
from orchestrator.store.keys import Keys
from orchestrator.store.redis import RedisStore
from tests.contract.arena import NOW, commit, stage, start


def test_a_run_is_deleted_with_its_three_keys(redis_server: LocalRedis, settings: Settings) -> None:
    """Nothing else of the key space is a run's own; the rest is its shard's."""
    store, connection = RedisStore(redis_server.url(), settings), Connection(redis_server.url())
    store.apply(start(entries={"$": NOW}, index={"all": True}, events=({"type": "x"},), add=(("live", "a"),)))
    keys, shard = store.keys, store.keys.shard_of("run")

    found = set(connection.execute("KEYS", f"{settings.namespace}:*"))

    of_the_run = {keys.run("run"), keys.ledger("run"), keys.history("run")}
    of_the_shard = {keys.shard_ledger(shard), keys.feed(shard), keys.index(shard, "all")}
    assert found == of_the_run | of_the_shard


def test_all_keys_of_a_commit_are_in_one_slot(redis_server: LocalRedis, settings: Settings) -> None:
    """So that a Redis Cluster can apply it."""
    connection, keys = Connection(redis_server.url()), Keys(settings.namespace, settings.shards)
    run_id = "root{x}/child"

    names = [*keys.of_commit(run_id), keys.tombstone(run_id), keys.index(keys.shard_of(run_id), "all")]

    tags = {name[name.index("{") : name.index("}") + 1] for name in names}
    assert tags == {f"{{{keys.shard_of('root{x}'):02x}}}"}
    assert connection.execute("PING")


def test_a_server_that_forgot_the_scripts_is_told_them_again(redis_server: LocalRedis, redis_store: RedisStore) -> None:
    """As after a restart, for single commits and for many."""
    connection = Connection(redis_server.url())
    connection.execute("SCRIPT", "FLUSH")
    single = redis_store.apply(start("one"))
    connection.execute("SCRIPT", "FLUSH")

    many = redis_store.apply_many([start("two"), start("three")])

    assert [reply.first for reply in (single, *many)] == [Answer.APPLIED] * 3


def test_a_server_that_is_not_there_is_unreachable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the retries, with an error that names the place but no password."""
    monkeypatch.setattr(connections, "RETRIES", 1)
    port = free_port()
    store = RedisStore(f"redis://user:secret@127.0.0.1:{port}/0", settings)

    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}") as refused:
        store.ping()

    assert "secret" not in str(refused.value)


@pytest.mark.integration
def test_commits_go_on_over_a_restart(tmp_path: Path, settings: Settings) -> None:
    """The broken connection is tried again while the server comes back, and finds what it had."""
    with LocalRedis(tmp_path) as server:
        store = RedisStore(server.url(), settings)
        store.apply(start(set={"a": "1"}))
        server.stop()
        restart = threading.Thread(target=server.start)
        restart.start()

        reply = store.apply(commit(stage({"a": "1"}, set={"a": "2"}), reads=("a",)))

        restart.join()
        store.close()
    assert reply.values == {"a": "2"}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_uses_sockets_of_its_own(redis_store: RedisStore) -> None:
    """Parent and child may speak at once, and each gets its own answers."""
    redis_store.apply(start("parent"))
    redis_store.apply(start("child"))

    child = os.fork()
    if child == 0:
        right = False
        try:
            right = _reads_itself(redis_store, "child")
        finally:
            os._exit(0 if right else 1)
    right = _reads_itself(redis_store, "parent")

    assert os.waitpid(child, 0)[1] == 0
    assert right


def test_threads_share_a_store(redis_store: RedisStore) -> None:
    """Numbers drawn from many threads are all different."""
    redis_store.apply(start())
    drawn: list[str | None] = []

    def draw() -> None:
        drawn.extend(redis_store.apply(commit(stage(number=("n",)), reads=("n",))).values["n"] for _ in range(50))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(int(number or 0) for number in drawn) == list(range(1, 201))


def _reads_itself(store: RedisStore, run_id: str) -> bool:
    store.apply(commit(stage(set={"who": run_id}), run_id=run_id))
    return all(store.read(run_id, ("who",))[1] == {"who": run_id} for _ in range(300))
