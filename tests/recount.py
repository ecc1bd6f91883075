"""What the histories of runs come to, counted one by one: what the sums of metrics must agree with, exactly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from orchestrator.engine.indexes import ALL_RUNS
from orchestrator.store.metrics import Metrics
from orchestrator.store.port import HistoryEntry, Store
from orchestrator.store.rollups import DAY_MS, EVER, EVER_STEPS, HOUR_MS, Kind
from orchestrator.store.sketches import Sketch

_ID = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?:#\d+)?(?:~~\d+)?(~?)$")
_NAMES = {"attempt_failed": "retries", "attempt_lost": "lost_attempts", "late_result": "late", "undo_waived": "waived"}

_BY_STEP_ALONE = ("attempt", "undo_attempt", "undo_wait")
_SLAS = ("sla_met", "sla_warned", "sla_breached")
_STATES = {"started", "completed", "failed", "lost", "skipped", "cancelled"}

Counted = tuple[str, int, str, str, str]
"""Workflow, moment, version, step, name."""


@dataclass
class Recount:
    """What happened, by (workflow, hour, version, step, name); and what took how long, likewise."""

    counts: Counter[Counted] = field(default_factory=Counter)
    values: dict[Counted, list[float]] = field(default_factory=dict)

    def measure(self, place: Counted, value_ms: float) -> None:
        """One more value of a distribution."""
        self.values.setdefault(place, []).append(value_ms)


def recount(store: Store, shards: int) -> Recount:
    """Go through every history there is."""
    found = Recount()
    for shard in range(shards):
        for created_at, run_id in store.index(ALL_RUNS, shard, None, 1_000_000):
            fields = store.read(run_id, ["workflow", "version"])[1]
            history = _whole(store, run_id)
            _recount_run(found, (str(fields["workflow"]), str(fields["version"])), created_at, history)
    return found


def check_sums(store: Store, shards: int, metrics: Metrics) -> Recount:
    """Every sum that is kept, by the hour, by the day and ever, is what the histories say; nothing is there besides."""
    told = recount(store, shards)
    for kind, move in _KINDS:
        _check_kind(kind, _moved(told, move), metrics)
    workflows = {workflow for workflow, *_ in (*told.counts, *told.values)}
    for workflow in sorted(workflows):
        ever, steps = metrics.read([(workflow, EVER), (workflow, EVER_STEPS)])
        whole = _fields(told, partial(_is_at, (workflow,)))
        apart = _apart(ever | steps, whole)
        assert apart == {}, f"{workflow}: {apart}"
        assert all((name.split("|")[1] != "") == (name in steps) for name in whole)
    return told


def _check_kind(kind: Kind, told: Recount, metrics: Metrics) -> None:
    places = sorted({(workflow, at) for workflow, at, *_ in (*told.counts, *told.values)})
    for (workflow, at), kept in zip(places, metrics.read(places, kind), strict=True):
        apart = _apart(kept, _fields(told, partial(_is_at, (workflow, at))))
        assert apart == {}, f"{kind}: {workflow} at {at}: {apart}"


def _moved(told: Recount, move: Callable[[Counted], Counted | None]) -> Recount:
    """The same at other places; what has none is left out."""
    found = Recount()
    for place, number in told.counts.items():
        if to := move(place):
            found.counts[to] += number
    for place, values in told.values.items():
        for value in values:
            if to := move(place):
                found.measure(to, value)
    return found


def _to_day(place: Counted) -> Counted:
    workflow, hour, version, step, name = place
    return workflow, hour // DAY_MS * DAY_MS, version, step, name


def _to_runs(place: Counted) -> Counted | None:
    workflow, at, _, step, name = place
    return None if step else (workflow, at, "", "", name)


def _to_steps(place: Counted) -> Counted | None:
    workflow, at, _, step, name = place
    return (workflow, at, "", "*", name) if step and name not in _BY_STEP_ALONE else None


def _to_all(place: Counted) -> Counted | None:
    return _to_runs(("*", *place[1:]))


_KINDS: Final[Sequence[tuple[Kind, Callable[[Counted], Counted | None]]]] = (
    (Kind.SUMS, lambda place: place),
    (Kind.DAYS, _to_day),
    (Kind.RUNS, _to_runs),
    (Kind.RUNS, _to_all),
    (Kind.STEPS, _to_steps),
    (Kind.WHOLE_DAYS, lambda place: _to_runs(_to_day(place)) or _to_steps(_to_day(place))),
)


def _apart(kept: dict[str, int], told: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Where they differ: what is kept, what the histories say."""
    names = sorted(kept.keys() | told.keys())
    return {name: (kept.get(name, 0), told.get(name, 0)) for name in names if kept.get(name, 0) != told.get(name, 0)}


def _is_at(at: tuple[str | int, ...], place: Counted) -> bool:
    return place[: len(at)] == at


def _fields(told: Recount, wanted: Callable[[Counted], bool]) -> dict[str, int]:
    kept = Counter[str]()
    for place, number in told.counts.items():
        if wanted(place):
            kept["|".join(place[2:])] += number
    for place, values in told.values.items():
        if wanted(place):
            name = "|".join(place[2:])
            kept[f"{name}|sum"] += sum(round(value * 1000) for value in values)
            for bucket, number in Sketch.of(values).counts.items():
                kept[f"{name}|{bucket}"] += number
    return dict(kept)


def _whole(store: Store, run_id: str) -> list[HistoryEntry]:
    found: list[HistoryEntry] = []
    while page := store.history(run_id, found[-1].id if found else "0"):
        found += page
    return found


def _recount_run(found: Recount, pinned: tuple[str, str], created_at: int, history: Iterable[HistoryEntry]) -> None:
    for entry in history:
        address = str(entry.event.get("step", ""))
        named = _ID.search(address)
        if not address:
            _recount_whole(found, (pinned[0], entry.at_ms // HOUR_MS * HOUR_MS, pinned[1], ""), created_at, entry)
        elif named and "$" not in address and not address.endswith("]"):
            place = pinned[0], entry.at_ms // HOUR_MS * HOUR_MS, pinned[1], named[1]
            _recount_step(found, place, "undo_" if named[2] else "", entry)


def _recount_whole(found: Recount, place: tuple[str, int, str, str], created_at: int, entry: HistoryEntry) -> None:
    event, kind = entry.event, str(entry.event["type"])
    if kind in ("run_started", "run_retried", *_SLAS):
        found.counts[*place, kind.removeprefix("run_")] += 1
    elif kind == "run_stopping" or (kind == "run_completed" and "compensation" not in event):
        found.counts[*place, str(event.get("reason", "completed"))] += 1
        found.measure((*place, "duration"), entry.at_ms - created_at)
    elif event.get("compensation") in ("completed", "failed"):
        undone = event["compensation"] == "completed"
        found.counts[*place, "compensated" if undone else "compensation_failed"] += 1


def _recount_step(found: Recount, place: tuple[str, int, str, str], undo: str, entry: HistoryEntry) -> None:
    event, kind = entry.event, str(entry.event["type"])
    if kind == "items_completed":
        found.counts[*place, "completed"] += len(event["items"])
        for took in event.get("took_ms", ()):
            found.measure((*place, "attempt"), took)
        return
    name = _NAMES.get(kind, kind.removeprefix("step_"))
    if kind not in _NAMES and name not in _STATES and kind not in _SLAS:
        return
    found.counts[*place, undo + name] += 1
    if event.get("took_ms") is not None:
        found.measure((*place, f"{undo}attempt"), event["took_ms"])
    if kind == "step_started" and not event.get("in_hand"):
        found.measure((*place, f"{undo}wait"), max(0, entry.at_ms - event.get("ready_at", entry.at_ms)))
