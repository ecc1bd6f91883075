"""One round of measurements of one system."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from bench.meters import Memory, cpu_s, memory, network_bytes
from bench.systems import STEPS, System

CHAINS = 200
SINGLE_RUNS = 100
STARTS = 500


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of one system in one round; times in ms."""

    steps_per_s: float
    worker_cpu_ms: float
    server_cpu_ms: float
    client_cpu_ms: float
    kib: float
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
    alone = sorted(_timed(lambda: system.run(1)) * 1000 for _ in range(SINGLE_RUNS))
    starts = STARTS / _timed(lambda: system.start(STARTS))
    bulk = STARTS / _timed(lambda: system.start_many(STARTS))
    system.clear()
    return Round(*busy, alone[SINGLE_RUNS // 2], alone[SINGLE_RUNS * 99 // 100 - 1], starts, bulk)


def _busy(system: System) -> tuple[float, float, float, float, float]:
    """Steps a second, and what a step costs: CPU of workers, server and client, and KiB through the server."""
    url, steps = system.server.url(), CHAINS * STEPS
    watched = (_pids(system), [system.server.pid], [os.getpid()])
    network, cpu = network_bytes(url), [cpu_s(pids) for pids in watched]
    seconds = _timed(lambda: system.run(CHAINS))
    used = [(cpu_s(pids) - before) * 1000 / steps for pids, before in zip(watched, cpu, strict=True)]
    worker, server, client = used
    return steps / seconds, worker, server, client, (network_bytes(url) - network) / 1024 / steps


def _pids(system: System) -> list[int]:
    return [pid for process in system.fleet for pid in (process.pid, *process.child_pids())]


def _timed(act: Callable[[], None]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began
