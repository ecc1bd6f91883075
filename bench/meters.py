"""What processes and the server have used, read from Linux and from Redis."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import redis

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of processes in MiB: RSS counts shared pages once a process, PSS once."""

    rss_mib: float
    pss_mib: float


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of CPU, user and system, that these processes have used so far."""
    return sum(_cpu_ticks(pid) for pid in pids) / _TICKS


def memory(pids: Iterable[int]) -> Memory:
    """The memory of these processes now."""
    rolled = [_smaps(pid) for pid in pids]
    return Memory(*(sum(one[name] for one in rolled) * 1024 / _MIB for name in ("Rss", "Pss")))


def network_bytes(url: str) -> int:
    """Bytes that the server has received and sent since it started."""
    with redis.Redis.from_url(url) as client:
        stats = client.info("stats")
    return int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])


def server_version(url: str) -> str:
    """What the server calls itself."""
    with redis.Redis.from_url(url) as client:
        server = client.info("server")
    name = server.get("server_name", "redis")
    return f"{name} {server.get(f'{name}_version', server['redis_version'])}"


def flush(url: str) -> None:
    """Empty one database."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _smaps(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
