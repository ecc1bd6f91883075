"""`python -m bench.large`: what a step, a start and a search cost when there is ten times as much of everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median

from bench.delay import DelayedRedis
from bench.measures import timed
from bench.meters import server_version
from bench.report import RESULTS, write_part
from bench.report import machine as describe
from bench.systems import PRODUCER_DB, STEPS, WIDTH, Ours, Plain, Shape, System, sequence
from orchestrator import Map, Meta, Start, Step, WorkflowSpec, define_workflow
from orchestrator.engine.commit import Commit, Stage
from orchestrator.engine.stages import complete
from orchestrator.engine.view import RunView
from orchestrator.plan.plan import DEFAULT_QUEUE

DELAY_MS = 2.0
LIVE = (1_000, 10_000)
FINISHED = (10_000, 100_000)
ITEMS = (1_000, 10_000)
NEEDS = (50, 500)
BATCH = 500
PROBES = 100
POLL_S = 0.2

Row = tuple[str, str, str, str]
"""What, at the smaller size, at the larger, their ratio."""


def main() -> None:
    """Measure everything, print the page, and put it into bench/RESULTS.md."""
    with Ours("bench.write") as ours:
        version = server_version(ours.server.url())
        rows = [row for measured in (_maps, _needs, _live, _finished) for row in _shown(measured(ours))]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    text = _PAGE.format(machine=describe(version), rows="\n".join(lines), late="\n".join(_late()), delay=DELAY_MS)
    write_part("Large", text)
    print(RESULTS.read_text(encoding="utf-8"))


def _maps(ours: Ours) -> Iterator[tuple[str, list[float]]]:
    """Items of a map, one by one and in batches."""
    for operation in ("bench.write", "bench.read"):
        body = Map(items="input.items", steps=[Step(id="step", operation=operation)])
        spec = _spec("map", operation, [Step(id="all", map=body)])
        ours.client.publish(spec)
        costs = [_cost(ours, Start(spec.meta.key, {"items": list(range(size))}), size) for size in ITEMS]
        yield f"an item of a map of {_sizes(ITEMS)}, `{operation}`, ms", costs


def _needs(ours: Ours) -> Iterator[tuple[str, list[float]]]:
    """Steps of a needs flow, each of which needs two others."""
    costs = []
    for size in NEEDS:
        needed = ([f"step-{one}" for one in (number - 1, number - 7) if one >= 0] for number in range(size))
        steps = [Step(id=f"step-{n}", operation="bench.write", needs=names) for n, names in enumerate(needed)]
        spec = _spec("needs", str(size), steps)
        ours.client.publish(spec)
        costs.append(_cost(ours, Start(spec.meta.key), size))
    yield f"a step of a needs flow of {_sizes(NEEDS)}, ms", costs


def _live(ours: Ours) -> Iterator[tuple[str, list[float]]]:
    """Starts and steps while so many runs wait."""
    spec = _spec("waiting", "day", [Step(id="step", wait="1d")])
    ours.client.publish(spec)
    starts, steps, there = [], [], 0
    for size in LIVE:
        added, there = size - there, size
        starts.append(timed(partial(ours.client.start_many, [Start(spec.meta.key)] * added)) * 1000 / added)
        while ours.client.dispatcher.waiting_in(DEFAULT_QUEUE):
            time.sleep(POLL_S)
        ours.run(PROBES)
        steps.append(timed(partial(ours.run, PROBES)) * 1000 / PROBES / STEPS)
    yield f"a start by `start_many` up to {_sizes(LIVE)} live runs, ms", starts
    yield f"a step of a chain beside {_sizes(LIVE)} live runs, ms", steps


def _finished(ours: Ours) -> Iterator[tuple[str, list[float]]]:
    """Starts and searches where so many runs are over."""
    spec = sequence("bench.over", "bench.read", 1)
    clients = [ours.elsewhere(spec, db) for db in range(PRODUCER_DB, PRODUCER_DB + len(FINISHED))]
    for client, size in zip(clients, FINISHED, strict=True):
        for _ in range(0, size, BATCH):
            handles = client.start_many([Start(spec.meta.key)] * BATCH)
            over = complete(RunView("", {}, 0), (spec.meta.key, spec.meta.version), "null").changes
            client.store.apply_many([Commit(one.run_id, "1", (Stage({}, over),)) for one in handles])
    starts = [partial(client.start, spec.meta.key) for client in clients]
    pages = [partial(client.search, limit=50) for client in clients]
    found = [partial(client.search, workflow=spec.meta.key, status="completed", limit=50) for client in clients]
    yield f"a start where {_sizes(FINISHED)} runs are over, ms", _probed(starts)
    yield f"the newest 50 of {_sizes(FINISHED)} runs, ms", _probed(pages)
    yield f"the newest 50 of a workflow and a status, of {_sizes(FINISHED)}, ms", _probed(found)


def _late() -> Iterator[str]:
    """The lines of the table of a Redis that answers late."""
    late = partial(DelayedRedis, DELAY_MS)
    systems: list[System] = [Plain(late), Ours("bench.write", make_server=late)]
    costs: list[list[float]] = []
    shapes: tuple[tuple[Shape, int], ...] = (("chain", STEPS), ("parallel", WIDTH + 1), ("map", WIDTH + 1))
    for one in systems:
        with one as system:
            costs.append([_rate(partial(system.run, 10, shape), 10 * steps) for shape, steps in shapes])
    for (shape, _), plain, ours in zip(shapes, *costs, strict=True):
        yield f"| {shape} | {plain:,.0f} | {ours:,.0f} | {ours / plain:.1f}× |"


def _cost(ours: Ours, one: Start, steps: int) -> float:
    """The ms that a step of a run takes; the first run is not counted."""
    ours.finish(one)
    return median(timed(partial(ours.finish, one)) for _ in range(3)) * 1000 / steps


def _probed(acts: Sequence[Callable[[], object]]) -> list[float]:
    """The ms that each of these usually takes; in turns, so that what disturbs the machine disturbs all."""
    times = [[timed(act) for act in acts] for _ in range(PROBES)]
    return [median(one) * 1000 for one in zip(*times, strict=True)]


def _rate(act: Callable[[], object], steps: int) -> float:
    act()
    return steps / median(timed(act) for _ in range(3))


def _shown(measured: Iterator[tuple[str, list[float]]]) -> Iterator[Row]:
    for title, (small, large) in measured:
        print(f"{title}: {small:.3f}, {large:.3f}", flush=True)
        yield title, f"{small:.2f}", f"{large:.2f}", f"{large / small:.2f}×"


def _sizes(sizes: tuple[int, int]) -> str:
    return " / ".join(f"{size:,}" for size in sizes)


def _spec(kind: str, name: str, steps: list[Step]) -> WorkflowSpec:
    return define_workflow(meta=Meta(key=f"bench.{kind}-{name.replace('.', '-')}", version="1.0.0"), steps=steps)


_PAGE = """
By `make bench-large`, on {machine}.

What something costs in wall time, at two sizes ten times apart; one run at a time, two worker processes.

| at sizes | small | large | ratio |
| --- | --: | --: | --: |
{rows}

With {delay:g} ms of delay between everybody and Redis, ten runs at once, steps a second:

| | plain Celery | ours | ratio |
| --- | --: | --: | --: |
{late}
"""


if __name__ == "__main__":
    main()
