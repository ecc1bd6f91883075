"""A system's past for the benchmark of the dashboard: runs that are over, alerts, audit entries, approvals, events.

Runs are started as everybody starts them, and ended by commits as the engine makes them, with their histories and in
their indexes; only that nobody worked them off.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Any, Final

from orchestrator import Meta, Start, Step, WorkflowSpec, define_workflow
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.places import work_at
from orchestrator.engine.stages import Timing, claim, complete, end, leave, reach, stop
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan
from orchestrator.store.access import AuditEntry
from orchestrator.store.alerts import AlertRecord, Terms
from orchestrator.store.events import Burial
from orchestrator.store.positions import START
from orchestrator.store.rollups import HOUR_MS
from orchestrator.store.sketches import Sketch

WORKFLOWS: Final = 60
VERSIONS: Final = ("1.0.0", "1.1.0", "2.0.0")
BATCH: Final = 500
STEPS: Final = ("check", "charge", "ship")
REGIONS: Final = ("north", "south", "east", "west")
LINES: Final = ("tea", "coffee", "cocoa", "mate", "water")
SEED: Final = 7
_OUTCOMES: Final = (RunStatus.COMPLETED,) * 17 + (RunStatus.FAILED,) * 2 + (RunStatus.CANCELLED,)
"""Of twenty runs."""
_ERROR: Final = {"code": "card_declined", "message": "the card was declined", "step": "charge", "address": "charge"}
_TIMING: Final = Timing()


def publish(client: RedisOrchestrator) -> list[tuple[str, str]]:
    """Sixty workflows of three versions each; key and version of all."""
    for number in range(WORKFLOWS):
        for version in VERSIONS:
            client.publish(_spec(f"{LINES[number % len(LINES)]}.order-{number:02}", version))
    return [(key, one.version) for key in client.registry.workflows() for one in client.registry.versions(key)]


def _spec(key: str, version: str) -> WorkflowSpec:
    tags = [LINES[len(key + version) % len(LINES)], f"team-{int(key[-2:]) % 7}"]
    steps = [Step(id=one, operation="bench.read", queue=f"bench-{key.partition('.')[0]}") for one in STEPS]
    meta = Meta(key=key, version=version, description=f"Orders of {key}", tags=tags)
    return define_workflow(meta=meta, search={"region": "input.region"}, steps=steps)


def runs(client: RedisOrchestrator, count: int) -> Iterator[int]:
    """Runs that are over, of any version and outcome; how many there are so far, after each batch."""
    drawn = random.Random(SEED)
    versions = publish(client)
    plans = {(key, version): client.catalogue.plan(key, version) for key, version in versions}
    over = {
        (pinned, status): _over(plan, pinned, status) for pinned, plan in plans.items() for status in set(_OUTCOMES)
    }
    for first in range(0, count, BATCH):
        chosen = [drawn.choice(versions) for _ in range(min(BATCH, count - first))]
        starts = [
            Start(
                key, {"region": drawn.choice(REGIONS), "number": first + n}, version=version, started_by=f"user-{n % 9}"
            )
            for n, (key, version) in enumerate(chosen)
        ]
        handles = client.start_many(starts)
        commits = [
            Commit(handle.run_id, "1", (Stage({}, over[pinned, drawn.choice(_OUTCOMES)]),))
            for handle, pinned in zip(handles, chosen, strict=True)
        ]
        client.store.apply_many(commits)
        yield first + len(chosen)


def _over(plan: Plan, pinned: tuple[str, str], status: RunStatus) -> Changes:
    """All that happens to a run of which nothing else knows, as one change."""
    view = RunView("", {}, 0)
    if status is RunStatus.COMPLETED:
        done = [_done(plan, step, first=step == STEPS[0]) for step in STEPS]
        return _together(*done, complete(view, pinned, json.dumps({"ok": True})).changes)
    error = _ERROR if status is RunStatus.FAILED else {"code": "cancelled", "message": "not wanted any more"}
    stopped = stop(pinned, RunStatus.RUNNING, status, error).changes
    return _together(_done(plan, "check", first=True), _failed(plan, error), stopped, end(view, pinned, status, "none"))


def _done(plan: Plan, step: str, *, first: bool = False) -> Changes:
    output = {fields.output(step): json.dumps({"step": step})}
    return _together(
        _begun(plan, step, first=first), leave(plan, step, StepState.COMPLETED, values=output, took_ms=3.0)
    )


def _failed(plan: Plan, error: dict[str, Any]) -> Changes:
    recorded = {fields.error("charge"): json.dumps(error)}
    return _together(_begun(plan, "charge"), leave(plan, "charge", StepState.FAILED, values=recorded, error=error))


def _begun(plan: Plan, step: str, *, first: bool = False) -> Changes:
    work = work_at(plan, step)
    if work is None:
        raise LookupError(step)
    claimed = claim(plan, step, work, f"t-{step}", _TIMING, attempt=1, first=True).changes
    return claimed if first else _together(reach(plan, step, _TIMING, claimed=True), claimed)


def _together(*changes: Changes) -> Changes:
    return reduce(or_, changes)


def beside(client: RedisOrchestrator, count: int) -> None:
    """As many audit entries, alerts, and events that were given up."""
    for number in range(count):
        outcome = "forbidden" if number % 20 == 0 else "done"
        client.access.write(
            AuditEntry("cancel", f"runs/order-{number}", f"user-{number % 9}", outcome, reason="a customer has called")
        )
    now_ms = int(time.time() * 1000)
    terms = Terms(group_ms=0, kept_ms=86_400_000, tries=1)
    for number in range(count):
        key = f"order-{number}"
        alert = AlertRecord(
            key, key, "run_failed", "error", f"run {key} has failed", "card_declined", now_ms, now_ms, run_id=key
        )
        client.alert_store.raise_(alert, key, (), terms)
    bodies = [
        json.dumps({"id": f"e-{n}", "type": "order.placed", "source": "/shop", "specversion": "1.0", "data": {"n": n}})
        for n in range(count)
    ]
    client.event_store.append(bodies)
    client.event_store.bury(
        [Burial(f"{number}-0", body, "invalid_input: region is missing", 3) for number, body in enumerate(bodies, 1)]
    )


def sums(client: RedisOrchestrator, hours: int) -> None:
    """What every workflow did in each of the last hours, as the listener would have counted it, of each version."""
    drawn, now_ms = random.Random(SEED), int(time.time() * 1000)
    first = now_ms - now_ms % HOUR_MS - (hours - 1) * HOUR_MS
    for key in client.registry.workflows():
        for hour in range(first, now_ms, HOUR_MS):
            counted: dict[str, int] = {}
            for version in VERSIONS:
                runs = drawn.randint(20, 200)
                took = Sketch.of(drawn.lognormvariate(7.5, 0.8) for _ in range(runs))
                counted |= {f"{version}||{name}": runs for name in ("started", "completed", "sla_met")}
                counted |= {f"{version}||duration|{bucket}": count for bucket, count in took.counts.items()}
                counted[f"{version}||duration|sum"] = round(took.total * 1000)
            client.sums.add(f"seeded-{key}-{hour}", 0, START, "1-0", {(key, hour): counted})


def approvals(client: RedisOrchestrator, count: int) -> None:
    """Runs that wait for somebody's decision; a worker brings them there."""
    spec = define_workflow(
        meta=Meta(key="bench.approval", version="1.0.0"),
        steps=[Step(id="decide", approval={"users": ["ada"]}, timeout="10d")],
    )
    client.publish(spec)
    for first in range(0, count, BATCH):
        client.start_many([Start("bench.approval", {"n": n}) for n in range(first, min(count, first + BATCH))])
