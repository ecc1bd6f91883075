"""Starting runs that nobody asked for by hand: what cannot be started is told of each, and holds up no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import logs
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.inputs import checked_input
from orchestrator.client.versions import Offer, Versions
from orchestrator.engine.commit import Answer, Commit
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import StartRequest, start
from orchestrator.errors import InvalidRequest, NotFound, Unreachable
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.store.port import Store

log = logs.get("triggers")

Refusal = InvalidRequest | NotFound


@dataclass(frozen=True, slots=True)
class TriggeredRun:
    """A run to start. Its id says what it is started for, so that it is started once; nobody gives it a `ctx`."""

    run_id: str
    workflow: str
    input: Any
    started_by: str


@dataclass(frozen=True, slots=True)
class Starting:
    """Starts runs with the version that new runs take."""

    settings: Settings
    store: Store
    versions: Versions
    dispatcher: Dispatcher

    def start_each(self, runs: Sequence[TriggeredRun]) -> list[Refusal | None]:
        """Start runs, pipelined; of each that cannot be started, why. One that exists is as good as started."""
        offers: dict[str, Offer] = {}
        prepared = [self._prepare(run, offers) for run in runs]
        startable = [one for one in prepared if isinstance(one, tuple)]
        replies = self.store.apply_many([commit for _, commit in startable])
        self._send(
            [
                (plan, commit.run_id, entry)
                for (plan, commit), reply in zip(startable, replies, strict=True)
                if reply.first is Answer.APPLIED
                for entry in plan.root.entries
            ]
        )
        return [None if isinstance(one, tuple) else one for one in prepared]

    def _prepare(self, run: TriggeredRun, offers: dict[str, Offer]) -> tuple[Plan, Commit] | Refusal:
        try:
            if run.workflow not in offers:
                offers[run.workflow] = self.versions.offer(run.workflow)
            wanted = {} if run.input is None else run.input
            version = offers[run.workflow].version_for(None, run.run_id, {"input": wanted, "ctx": {}})
            plan = self.versions.plan(run.workflow, version)
            given = checked_input(wanted, plan.input_schema, self.settings.max_payload_bytes)
        except (InvalidRequest, NotFound) as refusal:
            return refusal
        request = StartRequest(run_id=run.run_id, input=given, ctx=self._ctx(plan), started_by=run.started_by)
        return plan, start(plan, request, Timing(self.settings.lease_ms, self.settings.resend_ms))

    def _ctx(self, plan: Plan) -> str:
        """The defaults of the workflow's `ctx`; nothing, if it asks for what only a person who starts it can give."""
        try:
            return checked_input({}, plan.ctx_schema, self.settings.max_payload_bytes, name="ctx")
        except InvalidRequest:
            return "{}"

    def _send(self, frontiers: Sequence[tuple[Plan, str, str]]) -> None:
        """The first messages. The runs are accepted: what the broker misses, the ledger sends."""
        try:
            self.dispatcher.send_many(frontiers)
        except Unreachable as error:
            log.warning("starts_not_sent", runs=len(frontiers), error=error.message)
