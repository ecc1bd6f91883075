"""Starting runs: each is checked and stored with its first step ready, and its first message sent."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel

from orchestrator import logs
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.audit import DONE, Audit
from orchestrator.client.inputs import checked_input
from orchestrator.client.masking import masked_refusal, redaction_of
from orchestrator.client.run_surface import Start
from orchestrator.client.versions import Offer, Versions
from orchestrator.engine.commit import Answer, Commit, Reply
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import StartRequest, start
from orchestrator.errors import InvalidInput, InvalidRequest, NotFound, Unreachable
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.store.access import AuditEntry
from orchestrator.store.port import Store
from orchestrator.store.redis import Parcel, RedisStore
from orchestrator.telemetry import current_traceparent, is_traceparent

log = logs.get("client")

FIRST_BATCH, BATCH = 10, 100
"""Runs stored, and sent, together, at first and at most: workers begin while most are still being started."""
RUN_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")

Offers = dict[str, Offer]
"""What new runs of each workflow may take; one look at the registry for all that is started together."""
Prepared = tuple[Plan, Commit]
Refusal = InvalidRequest | NotFound
Kept = tuple[Sequence[Prepared], list[Answer], Sequence[str], bool]
"""Runs, the answers to their commits, the ids of the notes about them, and whether their first messages went along."""
Existing = tuple[Prepared, str]
"""A start whose run is there already, or has been; and the id of its entry in the audit log, if it has one."""
Applied = tuple[list[Reply], list[str]]
"""The replies to commits, and the ids of the notes about them."""


class Starter:
    """Starts runs. `broker_too`: the store, if its Redis is the broker as well: run and message go there together."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        versions: Versions,
        dispatcher: Dispatcher,
        broker_too: RedisStore | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._versions = versions
        self._dispatcher = dispatcher
        self._broker_too = broker_too
        self._timing = Timing(settings.lease_ms, settings.resend_ms)
        self._warned: set[tuple[str, str]] = set()

    def prepare(self, one: Start, offers: Offers, started_by: str) -> Prepared:
        """The commit of a start, with everything that is asked for checked; nothing is stored yet."""
        given = one.input.model_dump(mode="json", by_alias=True) if isinstance(one.input, BaseModel) else one.input
        given = {} if given is None else given
        run_id, ctx = _run_id(one), {} if one.ctx is None else one.ctx
        plan = self._plan_for(one, run_id, {"input": given, "ctx": ctx}, offers)
        return plan, self._commit(plan, one, run_id, given, self._checked_ctx(plan, ctx, given), started_by)

    def try_each(self, starts: Sequence[Start]) -> list[Refusal | None]:
        """Start runs that nobody asks for by hand; of each that cannot be started, why. It holds up no other.

        Nobody gives them a `ctx`: they have the defaults of the workflow's schema, or, if that asks for what only a
        person who starts it can give, none.
        """
        offers: Offers = {}
        tried = [self._try(one, offers) for one in starts]
        self.accept([one for one in tried if isinstance(one, tuple)])
        return [None if isinstance(one, tuple) else one for one in tried]

    def accept(self, prepared: Sequence[Prepared], audit: Audit | None = None) -> list[Existing]:
        """Store runs and send their first messages, pipelined; those that exist already, or have been.

        Once stored, a run is never lost: what the broker misses, the ledger sends. `audit`: of whoever starts them;
        nobody, if they are started by what has a history of its own.
        """
        existing: list[Existing] = []
        broker_answers = True
        for batch, replies, note_ids, pushed in self._keep_all(prepared, audit or Audit()):
            ready = [
                (plan, commit.run_id, entry)
                for (plan, commit), reply in zip(batch, replies, strict=True)
                if reply is Answer.APPLIED
                for entry in plan.root.entries
            ]
            existing += [
                (one, note_id)
                for one, reply, note_id in zip(batch, replies, note_ids, strict=True)
                if reply is not Answer.APPLIED
            ]
            broker_answers = broker_answers and (pushed or self._send(ready))
        return existing

    def _keep_all(self, prepared: Sequence[Prepared], audit: Audit) -> Iterator[Kept]:
        """Store runs; those behind the first batch without a wait between them, once it is known what is sent."""
        batches = list(batches_of(prepared))
        while batches:
            batch, *batches = batches
            parcel, pushed = self._parcel(batch, audit)
            yield self._kept(batch, self._apply(parcel, audit), pushed=pushed)
            if pushed and self._broker_too is not None:
                yield from self._keep_together(batches, self._broker_too, audit)
                return

    def _keep_together(self, batches: Sequence[Sequence[Prepared]], store: RedisStore, audit: Audit) -> Iterator[Kept]:
        pushed: list[bool] = []

        def parcels() -> Iterator[Parcel]:
            for batch in batches:
                parcel, goes_along = self._parcel(batch, audit)
                pushed.append(goes_along)
                yield parcel

        for batch, applied, goes_along in zip(batches, store.apply_parcels(parcels()), pushed, strict=True):
            yield self._kept(batch, applied, pushed=goes_along)

    def _parcel(self, batch: Sequence[Prepared], audit: Audit) -> tuple[Parcel, bool]:
        """Runs with what is to be noted of them and their first messages; whether it is known what these are.

        The message of a run that exists already goes, too: like any message, it is only a hint.
        """
        notes = [] if audit.access is None else [start_entry(audit, plan, commit) for plan, commit in batch]
        pushes = None if self._broker_too is None else self._dispatcher.pushes(_entries(batch))
        return Parcel([commit for _, commit in batch], pushes or (), notes), pushes is not None

    def _apply(self, parcel: Parcel, audit: Audit) -> Applied:
        if isinstance(self._store, RedisStore):
            return self._store.apply_parcel(parcel)
        return self._store.apply_many(parcel.commits), [audit.write(note) for note in parcel.notes]

    @staticmethod
    def _kept(batch: Sequence[Prepared], applied: Applied, *, pushed: bool) -> Kept:
        replies, note_ids = applied
        return batch, [reply.first for reply in replies], note_ids or [""] * len(batch), pushed

    def _send(self, ready: Sequence[tuple[Plan, str, str]]) -> bool:
        """Whether the first messages were sent."""
        try:
            self._dispatcher.send_many(ready)
        except Unreachable as error:
            log.warning("starts_not_sent", runs=len(ready), error=error.message)
            return False
        return True

    def _try(self, one: Start, offers: Offers) -> Prepared | Refusal:
        try:
            given = {} if one.input is None else one.input
            run_id = _run_id(one)
            plan = self._plan_for(one, run_id, {"input": given, "ctx": {}}, offers)
            try:
                ctx = self._checked_ctx(plan, {}, given)
            except InvalidInput:
                ctx = "{}"
            return plan, self._commit(plan, one, run_id, given, ctx, one.started_by or "")
        except (InvalidRequest, NotFound) as refusal:
            return refusal

    def _plan_for(self, one: Start, run_id: str, roots: Mapping[str, Any], offers: Offers) -> Plan:
        """The plan of the version that a start takes."""
        key = one.workflow
        if key not in offers:
            offers[key] = self._versions.offer(key)
        plan = self._versions.plan(key, offers[key].version_for(one.version, run_id, roots))
        started = key, plan.version
        if one.version and offers[key].is_deprecated(plan.version) and started not in self._warned:
            self._warned.add(started)
            log.warning("deprecated_version_started", workflow=key, version=plan.version)
        return plan

    def _checked_ctx(self, plan: Plan, ctx: Any, given: Any) -> str:
        limit = self._settings.max_payload_bytes
        try:
            return checked_input(ctx, plan.ctx_schema, limit, name="ctx")
        except InvalidInput as error:
            raise masked_refusal(error, redaction_of(plan, self._settings), {"input": given, "ctx": ctx}) from None

    def _commit(self, plan: Plan, one: Start, run_id: str, given: Any, ctx: str, started_by: str) -> Commit:
        try:
            input_text = checked_input(given, plan.input_schema, self._settings.max_payload_bytes)
        except InvalidInput as error:
            raise masked_refusal(error, redaction_of(plan, self._settings), {"input": given, "ctx": one.ctx}) from None
        request = StartRequest(
            run_id=run_id,
            input=input_text,
            ctx=ctx,
            started_by=started_by if one.started_by is None else one.started_by,
            timeout_ms=_timeout_ms(one.timeout),
            scheduled_at_ms=one.scheduled_at_ms,
            traceparent=one.traceparent if is_traceparent(one.traceparent) else current_traceparent(),
        )
        return start(plan, request, self._timing)


def start_entry(audit: Audit, plan: Plan, commit: Commit, outcome: str = DONE) -> AuditEntry:
    """What there is to note of a start: the run as what it was done to, and which workflow's it is."""
    return audit.entry("start", f"runs/{commit.run_id}", outcome, plan.key)


def _entries(prepared: Sequence[Prepared]) -> list[tuple[Plan, str, str]]:
    """What there is to look at first in these runs."""
    return [(plan, commit.run_id, entry) for plan, commit in prepared for entry in plan.root.entries]


def batches_of(prepared: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    """Each twice as large as the one before it, up to the limit."""
    size = FIRST_BATCH
    while prepared:
        yield prepared[:size]
        prepared, size = prepared[size:], min(size * 2, BATCH)


def _run_id(one: Start) -> str:
    if one.run_id is not None and one.idempotency_key is not None:
        raise InvalidRequest("give a run id or an idempotency key, not both")
    if one.idempotency_key is not None:
        return blake2b(f"{one.workflow}\0{one.idempotency_key}".encode(), digest_size=12).hexdigest()
    if one.run_id is None:
        return secrets.token_hex(12)
    if not RUN_ID.fullmatch(one.run_id):
        raise InvalidRequest(f"a run id has 1 to 200 letters, digits, and - _ . :, not {one.run_id!r}")
    return one.run_id


def _timeout_ms(timeout: timedelta | str | int | None) -> int | None:
    try:
        return None if timeout is None else milliseconds(parse_duration(timeout))
    except ValueError as error:
        raise InvalidRequest(f"the timeout: {error}") from error
