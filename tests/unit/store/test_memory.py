from __future__ import annotations

import threading

from orchestrator.engine.commit import NOW, Changes, Commit, Stage
from orchestrator.settings import Settings
from orchestrator.store.memory import MemoryStore


def _store() -> MemoryStore:
    store = MemoryStore(Settings(feed_length=100), lambda: 1_700_000_000_000)
    store.apply(_change(None, set={"incarnation": "1", "a": "1"}))
    return store


def _change(incarnation: str | None = "1", **changes: object) -> Commit:
    return Commit("run", incarnation, (Stage({}, Changes(**changes)),))  # type: ignore[arg-type]


def test_a_copy_goes_its_own_way() -> None:
    """Nothing that is written to one is seen in the other."""
    store = _store()
    twin = store.copy()

    store.apply(_change(set={"a": "2"}, entries={"a": NOW}, index={"all": True}, events=({"type": "x"},)))

    assert twin.read("run", ("a",))[1] == {"a": "1"}
    assert twin.entries("run") == {}
    assert twin.shard_entry("run") is None
    assert twin.index_sizes(["all"]) == {"all": 0}
    assert twin.history("run") == []


def test_a_restored_store_has_lost_what_came_later() -> None:
    """As a server that died before it had written its last second."""
    store = _store()
    earlier = store.copy()
    store.apply(_change(set={"a": "2"}, events=({"type": "x"},)))

    store.restore(earlier)
    store.apply(_change(set={"b": "1"}))

    assert store.read("run", ("a", "b"))[1] == {"a": "1", "b": "1"}
    assert earlier.read("run", ("b",))[1] == {"b": None}


def test_a_caller_cannot_change_what_is_stored() -> None:
    """What is read is the reader's own."""
    store = _store()
    store.apply(_change(entries={"a": NOW}, events=({"type": "x", "tags": ["a"]},)))

    store.read_all("run")[1]["a"] = "9"
    store.entries("run").clear()
    store.history("run")[0].event["tags"].append("b")

    assert store.read("run", ("a",))[1] == {"a": "1"}
    assert set(store.entries("run")) == {"a"}
    assert store.history("run")[0].event["tags"] == ["a"]


def test_commits_from_many_threads_are_all_counted() -> None:
    """One at a time, whoever sends them."""
    store = _store()
    threads = [
        threading.Thread(target=lambda: [store.apply(_change(number=("n",))) for _ in range(100)]) for _ in "1234"
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.read("run", ("sequence",))[1] == {"sequence": "400"}
