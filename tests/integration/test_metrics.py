"""The sums of metrics, kept by listeners that are killed, of runs whose workers are killed: what the histories say."""

from __future__ import annotations

import random
from collections import Counter

from orchestrator.clock import elapsed_s
from orchestrator.monitor.prometheus import feed_lag_ms
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, until
from tests.recount import check_sums

RUNS = 120


def test_every_event_counts_once_whoever_is_killed(make_system: MakeSystem) -> None:
    """120 runs that complete, fail and are undone; listeners and workers killed; a feed that forgets most of it."""
    system: System = make_system(feed_length=100, shards=2)
    system.publish()
    system.start_worker(concurrency=2)
    system.start_beat()
    for name in ("listener-1", "listener-2"):
        system.start_listener(name)
    system.ready()
    chance = random.Random(5)

    runs = []
    for batch in range(6):
        for _ in range(RUNS // 6):
            method = chance.choice(["pm_ok", "pm_ok", "pm_declined"])
            runs.append(system.pay(method, email=chance.choice(["ada@example.com", "nobody@invalid"])))
        victim = system.fleet[("listener-1", "listener-2", "worker")[batch % 3]]
        victim.kill()
        victim.start()
    shown = [ended(run, 60) for run in runs]

    until(lambda: feed_lag_ms(system.client) == 0, "the reader has read everything", 60)
    told = check_sums(system.client.store, 2, system.client.sums)
    total = system.client.metrics("payment.flow").total
    statuses = Counter(one.status for one in shown)
    assert (total.started, total.completed, total.failed) == (RUNS, statuses["completed"], statuses["failed"])
    assert total.compensated == sum(one.compensation == "completed" for one in shown)
    assert sum(map(len, told.values.values())) > RUNS


def test_a_reader_that_begins_late_counts_what_the_feed_has_forgotten(make_system: MakeSystem) -> None:
    """Out of the histories; how long that takes is bounded."""
    system: System = make_system(feed_length=100, shards=1)
    system.publish()
    system.start_worker()
    system.start_beat()
    system.ready()
    for run in [system.pay() for _ in range(60)]:
        ended(run)
    began_s = elapsed_s()

    system.start_listener()
    system.ready()
    until(lambda: feed_lag_ms(system.client) == 0, "the reader has read everything")

    check_sums(system.client.store, 1, system.client.sums)
    assert system.client.metrics("payment.flow").total.completed == 60
    assert elapsed_s() - began_s < 20
