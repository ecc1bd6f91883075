"""Every key of ours in Redis: its name, its type, its lifetime. Nothing else builds one.

All keys of a run, and those of its shard, carry the shard's hash tag, so they live in one slot of a Redis Cluster.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

WORKER_LIFETIME_MS = 20_000
"""A worker that has not announced itself for so long is taken off the register."""


_HOURS = {-1: "ever", -2: "ever-steps"}


def shard_of(run_id: str, shards: int) -> int:
    """The shard of a run: that of its root, whose id is the part before the first `/`."""
    return zlib.crc32(run_id.partition("/")[0].encode()) % shards


@lru_cache(maxsize=256)
def _of_commit(keys: Keys, run_id: str) -> tuple[str, ...]:
    """One run's commits follow each other."""
    due, feed, ended = (f"{keys._shard_of(run_id)}:{name}" for name in ("due", "feed", "ended"))  # noqa: SLF001
    return keys.run(run_id), keys.ledger(run_id), keys.history(run_id), due, feed, ended


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of the keys under one namespace."""

    namespace: str
    shards: int

    def of_commit(self, run_id: str) -> list[str]:
        """What every commit to a run may touch: run, ledger, history, shard ledger, feed, ended runs."""
        return list(_of_commit(self, run_id))

    def run(self, run_id: str) -> str:
        """HASH, field → value: the state of a run. Until the run is deleted."""
        return f"{self._shard_of(run_id)}:run:{run_id}"

    def ledger(self, run_id: str) -> str:
        """ZSET, address → moment: what of a run must be looked at by when. Until the run ends."""
        return f"{self._shard_of(run_id)}:ledger:{run_id}"

    def history(self, run_id: str) -> str:
        """STREAM, `event`: what happened in a run. Until the run is deleted."""
        return f"{self._shard_of(run_id)}:history:{run_id}"

    def shard_ledger(self, shard: int) -> str:
        """ZSET, run id → the earliest moment of its ledger, +inf while it is paused. For ever."""
        return f"{self._shard(shard)}:due"

    def ended(self, shard: int) -> str:
        """ZSET, run id → the moment of its end: the runs of a shard that are over and not yet deleted. For ever."""
        return f"{self._shard(shard)}:ended"

    def tombstone(self, run_id: str) -> str:
        """STRING, empty: the run has been, and is deleted. For as long as its deletion says."""
        return f"{self._shard_of(run_id)}:tombstone:{run_id}"

    def feed(self, shard: int) -> str:
        """STREAM, `run` and `event`: what happened in all runs of a shard. For ever; the oldest entries are cut off."""
        return f"{self._shard(shard)}:feed"

    def index(self, shard: int, name: str) -> str:
        """ZSET, run id → moment of its creation: the runs of a shard that an index holds. For ever."""
        return f"{self._shard(shard)}:index:{name}"

    def ledger_affixes(self, shard: int) -> tuple[str, str]:
        """What stands before and after the run id in the names of a shard's ledgers."""
        return f"{self._shard(shard)}:ledger:", ""

    def workflows(self) -> str:
        """SET: the keys of all published workflows. For ever."""
        return f"{self.namespace}:{{registry}}:workflows"

    def definitions(self, workflow: str) -> str:
        """HASH, version → JSON: the published versions of a workflow. For ever."""
        return f"{self.namespace}:{{registry}}:definitions:{workflow}"

    def marks(self, workflow: str) -> str:
        """HASH: `traffic`, `deprecated:VERSION`, and `revision`, another with each change or publication. For ever."""
        return f"{self.namespace}:{{registry}}:marks:{workflow}"

    def revision(self) -> str:
        """STRING, another with each change of any workflow's marks, and each publication. For ever."""
        return f"{self.namespace}:{{registry}}:revision"

    def workers(self) -> str:
        """ZSET, worker's name → when it was last seen. For ever; names not seen for a day are taken out."""
        return f"{self.namespace}:{{registry}}:workers"

    def worker(self, name: str) -> str:
        """STRING, JSON: what a worker said of itself last. For a day; silent for 20 s, it is lost."""
        return f"{self.namespace}:{{registry}}:worker:{name}"

    def held(self, worker: str) -> str:
        """HASH, pid → JSON: the leases that a worker's processes renewed last. Until all of them have run out."""
        return f"{self.namespace}:{{registry}}:held:{worker}"

    def taken(self) -> str:
        """HASH, queue → number: the messages that workers have taken from it so far. For ever."""
        return f"{self.namespace}:{{registry}}:taken"

    def samples(self) -> str:
        """STREAM, `queues`: what waited in each queue, every ten seconds. For ever; an hour of entries."""
        return f"{self.namespace}:{{registry}}:samples"

    def access(self) -> str:
        """HASH, key id → JSON: the API keys, each with the hash of its secret. For ever; revoked ones stay as such."""
        return f"{self.namespace}:{{access}}:keys"

    def session_secret(self) -> str:
        """STRING: what the dashboard's sessions are signed with. For ever; deleting it ends them all."""
        return f"{self.namespace}:{{access}}:session-secret"

    def ended_session(self, token: str) -> str:
        """STRING: this session was ended by a log-out. As long as its cookie would be good."""
        return f"{self.namespace}:{{access}}:ended:{token}"

    def bucket(self, key_id: str) -> str:
        """HASH, `tokens` and `at`: what is left of an API key's rate. Until it would be full again."""
        return f"{self.namespace}:{{access}}:bucket:{key_id}"

    def audit(self) -> str:
        """STREAM, `entry`: who changed what, or was not let. For ever; the oldest entries are cut off."""
        return f"{self.namespace}:{{access}}:audit"

    def audit_intake(self) -> str:
        """STREAM, `entry`: who started runs and sent events. For ever; the oldest entries are cut off."""
        return f"{self.namespace}:{{access}}:audit:intake"

    def leader(self, name: str = "beat") -> str:
        """HASH: `holder`, `fence` and `until` of who leads at that. For ever, so that no number comes twice."""
        return f"{self.namespace}:{{registry}}:leader:{name}"

    def positions(self, reader: str) -> str:
        """HASH, shard → the id of the last event of its feed that the reader has seen to. For ever."""
        return f"{self.namespace}:{{registry}}:positions:{reader}"

    def metrics(self, workflow: str, at: int, kind: str = "sums") -> str:
        """HASH, `version|step|name` or `version|step|name|bucket` → a sum: what a workflow did in an hour; or ever.

        Of other kinds, likewise: by the day, or without versions and steps. Until `metrics_retention_ms` after the end
        of the hour or day; those of ever for ever.
        """
        return f"{self.namespace}:{{metrics}}:{kind}:{workflow}:{_HOURS.get(at, at)}"

    def metrics_rolled_up(self) -> str:
        """STRING, a moment: every hour from it on is in the sums of all kinds. For ever."""
        return f"{self.namespace}:{{metrics}}:rolled-up-since"

    def metrics_positions(self, reader: str) -> str:
        """HASH, shard → the id of the last event of its feed that is in the sums. For ever."""
        return f"{self.namespace}:{{metrics}}:positions:{reader}"

    def payloads(self, run_id: str) -> str:
        """HASH, digest → bytes: what is kept beside a run. Until the run is deleted."""
        return f"{self._shard_of(run_id)}:payloads:{run_id}"

    def of_limits(self, group: str, names: Sequence[str]) -> list[str]:
        """What asking for slots may touch: line, places, calls, then each quota's slots and turns; all of one slot.

        ZSET, waiter → rank: the line of a group. ZSET, waiter → moment: until when it has a place there. ZSET, waiter →
        moment: until when free slots are kept for it. For each quota, ZSET, holder → moment: until when it has a slot;
        ZSET, waiter → rank: who waits for one. Until the last moment in them.
        """
        return [
            self.limit_line(group),
            f"{self._limits(group)}:places",
            f"{self._limits(group)}:calls",
            *(key for name in names for key in (self.limit_slots(group, name), f"{self._limits(group)}:turns:{name}")),
        ]

    def limit_line(self, group: str) -> str:
        """ZSET, waiter → rank: see `of_limits`."""
        return f"{self._limits(group)}:line"

    def limit_slots(self, group: str, name: str) -> str:
        """ZSET, holder → moment: see `of_limits`."""
        return f"{self._limits(group)}:slots:{name}"

    def events(self) -> str:
        """STREAM, `event` and `only`: the external events that came in. For ever; the oldest are cut off by age."""
        return f"{self._events}:ingest"

    def event_log(self, type_: str) -> str:
        """ZSET of entry ids in their order: the events of a type. Until the last of them is too old."""
        return f"{self._events}:log:{type_}"

    def correlations(self, type_: str) -> str:
        """SET of CEL texts: by what the steps of published versions correlate events of a type. For ever."""
        return f"{self._events}:correlations:{type_}"

    def event_mark(self, name: str) -> str:
        """HASH, `came`, `run`, `started`: the run that a dedupe key has started. For the window in which it counts."""
        return f"{self._events}:mark:{name}"

    def dead_events(self) -> str:
        """STREAM, `event`, `only`, `entry`, `reason`, `attempts`, `at`: events given up. Cut off by age."""
        return f"{self._events}:dead"

    def event_misses(self) -> str:
        """HASH, `workflow/trigger` → JSON: the last event that its filter had no answer for. Until none has for 7 d."""
        return f"{self._events}:misses"

    def buried(self, name: str) -> str:
        """STRING, empty: this is among the dead events already. For as long as those are kept."""
        return f"{self._events}:buried:{name}"

    def of_alerts(self, states: Sequence[str]) -> list[str]:
        """What a change of alerts may touch; all of one slot. The last: the alerts in each state.

        Besides those below: HASH, dedupe key → alert and last occurrence: the marks. HASH, channel, kind, level and
        workflow → JSON: what is being gathered. ZSET, id → moment: all deliveries. ZSET, id → moment: those due.
        """
        own = [f"{self._alerts}:{name}" for name in ("marks", "windows", "created", "due")]
        return [
            self.alerts(),
            self.alert_order(),
            own[0],
            self.alerts_of_runs(),
            own[1],
            self.alert_deliveries(),
            own[2],
            own[3],
            self.dead_deliveries(),
            *map(self.alerts_in, states),
        ]

    def alerts(self) -> str:
        """HASH, id → JSON: the alerts. For ever; each is deleted by age."""
        return f"{self._alerts}:records"

    def alert_order(self) -> str:
        """ZSET, id → when it was raised: all alerts. For ever."""
        return f"{self._alerts}:order"

    def alerts_in(self, state: str) -> str:
        """ZSET, id → when it was raised: the alerts in a state. For ever."""
        return f"{self._alerts}:in:{state}"

    def alerts_of_runs(self) -> str:
        """HASH, run id → ids: its alerts that are not resolved. For ever."""
        return f"{self._alerts}:runs"

    def alert_deliveries(self) -> str:
        """HASH, id → JSON: messages to channels. For ever; each is deleted by age."""
        return f"{self._alerts}:deliveries"

    def dead_deliveries(self) -> str:
        """ZSET, id → when it was given up: messages that no channel took. For ever; each is deleted by age."""
        return f"{self._alerts}:dead"

    def shard_of(self, run_id: str) -> int:
        """The shard that a run lives in."""
        return shard_of(run_id, self.shards)

    def _shard_of(self, run_id: str) -> str:
        return self._shard(shard_of(run_id, self.shards))

    @property
    def _events(self) -> str:
        return f"{self.namespace}:{{events}}"

    @property
    def _alerts(self) -> str:
        return f"{self.namespace}:{{alerts}}"

    def _limits(self, group: str) -> str:
        return f"{self.namespace}:{{limits:{group}}}"

    def _shard(self, shard: int) -> str:
        return f"{self.namespace}:{{{shard:02x}}}"
