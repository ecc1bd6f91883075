"""One round of measurements of one system."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from bench.meters import Memory, cpu_s, memory, network_bytes
from bench.systems import STEPS, WIDTH, Shape, System

CHAINS = 200
FANS = 20
SINGLE_RUNS = 100
STARTS = 500
AT_LEAST_S = 3.0
"""The same batch of runs is worked off again until so much time has passed: a short look says little."""


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of one system in one round; times in ms."""

    steps_per_s: float
    worker_cpu_ms: float
    server_cpu_ms: float
    client_cpu_ms: float
    kib: float
    parallel_per_s: float
    parallel_cpu_ms: float
    map_per_s: float
    map_cpu_ms: float
    p50_ms: float
    p99_ms: float
    starts_per_s: float
    bulk_per_s: float


def idle_memory(system: System) -> Memory:
    """Worker, its children and beat, before there is work."""
    return memory(_pids(system))


def measure(system: System) -> Round:
    """Everything once: many runs at a time, one run at a time, starts."""
    system.clear()
    busy = _busy(system)
    parallel, items = _fan(system, "parallel"), _fan(system, "map")
    alone = sorted(timed(lambda: system.run(1)) * 1000 for _ in range(SINGLE_RUNS))
    starts = STARTS / timed(lambda: system.start(STARTS))
    bulk = STARTS / timed(lambda: system.start_many(STARTS))
    system.clear()
    return Round(*busy, *parallel, *items, alone[SINGLE_RUNS // 2], alone[SINGLE_RUNS * 99 // 100 - 1], starts, bulk)


def _busy(system: System) -> tuple[float, float, float, float, float]:
    """Steps a second, and what a step costs: CPU of workers, server and client, and KiB through the server."""
    url = system.server.url()
    network = network_bytes(url)
    batches, seconds, (worker, server, client) = _watched(system, lambda: system.run(CHAINS))
    steps = batches * CHAINS * STEPS
    kib = (network_bytes(url) - network) / 1024 / steps
    return steps / seconds, worker / steps, server / steps, client / steps, kib


def _fan(system: System, shape: Shape) -> tuple[float, float]:
    """Steps a second beside each other, and what a step costs of everybody's CPU; the join is a step, too."""
    batches, seconds, used = _watched(system, lambda: system.run(FANS, shape))
    steps = batches * FANS * (WIDTH + 1)
    return steps / seconds, sum(used) / steps


def _watched(system: System, act: Callable[[], None]) -> tuple[int, float, list[float]]:
    """How often it was done, how many seconds that took, and the ms of CPU of workers, server and client."""
    watched = (_pids(system), [system.server.pid], [os.getpid()])
    before = [cpu_s(pids) for pids in watched]
    times, seconds = 0, 0.0
    while seconds < AT_LEAST_S:
        seconds += timed(act)
        times += 1
    return times, seconds, [(cpu_s(pids) - spent) * 1000 for pids, spent in zip(watched, before, strict=True)]


def _pids(system: System) -> list[int]:
    return [pid for process in system.fleet for pid in (process.pid, *process.child_pids())]


def timed(act: Callable[[], object]) -> float:
    """The seconds that something takes."""
    began = perf_counter()
    act()
    return perf_counter() - began
