"""Steps without effect that share a commit (RULES 6).

A step that is settled and the claim of the next one are a commit. While both are without effect, quick, and nothing has
to be read in between, that commit is kept back and goes with the next one: its stages stand before the others', each
with its own guards. The lease of the first step covers them all; if its worker dies, none of them has happened, and all
are executed again. So nothing outside sees a value that could still change. After a lapse nothing is shared. Nor does a
step share that may take longer than the one before it: its timeout would come too late for that one's lease.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from orchestrator.engine import fields
from orchestrator.engine.address import container_of, flow_of, is_drain, is_lane, is_undo
from orchestrator.engine.commit import Answer, Changes, Commit, Guards, Reply, Stage, Then
from orchestrator.engine.effects import SliceTerms
from orchestrator.engine.onward import Move
from orchestrator.engine.places import MANY, node_at, work_at
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan, Work
from orchestrator.spec.operations import Effect

MOST_STAGES = 40
"""Stages that are kept back at most."""
LONGEST_MS = 20.0
"""A commit is not kept back for longer."""


class KeptBack:
    """The commits of one message that go with its next one."""

    def __init__(self, terms: SliceTerms) -> None:
        self.stages: tuple[Stage, ...] = ()
        """In their order; the last one is the claim of the step at hand."""
        self._terms = terms
        self._from_ms = 0.0
        self._lapsed = False

    def begin(self) -> None:
        """A step has been claimed, whose lease covers what is kept back from now on."""
        self._from_ms = self._terms.elapsed_ms()

    def keep(self, plan: Plan, view: RunView, address: str, move: Move, token: str) -> bool:
        """Keep a move's commit back, if it may be: it settles a step, and claims the next one with this token.

        What it writes is taken for known from then on.
        """
        self._lapsed = self._lapsed or view.number(fields.losses(address)) > 0
        work = None if move.claims is None else work_at(plan, move.claims)
        if work is None or self._lapsed or not self._terms.quick(work) or len(self.stages) >= MOST_STAGES:
            return False
        if self._terms.elapsed_ms() - self._from_ms > LONGEST_MS or not _may_wait(plan, view, address, move):
            return False
        settle, claim = move.commit.stages
        # once the claimed step is settled, its claim counts as made before: so the commit may be sent twice
        made = {fields.settled_by(str(move.claims)): token}
        self.stages = (*together(self.stages, settle), claim.known_by(made))
        view.assume(move.commit)
        return True

    def release(self) -> tuple[Stage, ...]:
        """All that was kept back, to stand before the stages of the commit that comes now."""
        stages, self.stages = self.stages, ()
        return stages


def _may_wait(plan: Plan, view: RunView, address: str, move: Move) -> bool:
    """Whether a settle, with the claim of the next step, may wait for the next commit."""
    claimed = move.claims
    if claimed is None or move.forks or move.spares or move.begins:
        return False
    if not (_is_plain(plan, address) and _is_plain(plan, claimed)) or view.missing(move.commit.reads):
        return False
    if view.attempt(address) > 1:
        return False
    if not _fits_in(work_at(plan, claimed), work_at(plan, address)):
        return False
    return move.to == claimed or _is_beside(claimed, move.to)


def _fits_in(work: Work | None, leader: Work | None) -> bool:
    """Whether a step is over, at its timeout at the latest, before the one whose lease covers it would be."""
    return work is not None and leader is not None and work.timeout_ms <= leader.timeout_ms


@lru_cache(maxsize=MANY)
def _is_plain(plan: Plan, address: str) -> bool:
    """Whether a step is an operation that leaves nothing outside, and nothing to undo."""
    if is_lane(address) or is_drain(address) or is_undo(address):
        return False
    work, node = work_at(plan, address), node_at(plan, address)
    if work is None or work.effect is not Effect.NONE or node.can_be_undone or node.pivot or node.sla is not None:
        return False
    return not work.limits and work.heartbeat_timeout_ms is None and work.queue_timeout_ms is None


def _is_beside(claimed: str, container: str | None) -> bool:
    """Whether it is the beginning of another branch or item of the container that the last one ended in."""
    flow = flow_of(claimed)
    return container is not None and flow.endswith("]") and container_of(flow) == container


def with_kept_back(commit: Commit, before: tuple[Stage, ...]) -> Commit:
    """A commit behind those that were kept back."""
    if not before:
        return commit
    first, *others = commit.stages
    return commit.with_stages((*together(before, first), *others))


def own_reply(commit: Commit, reply: Reply, sent: Commit) -> Reply:
    """The answers to a commit's own stages; refused, if one that was kept back before them did not stand."""
    before = len(sent.stages) - len(commit.stages)
    if not before or reply.first is Answer.GONE:
        return reply
    return replace(reply, answers=reply.answers[before:] or (Answer.REFUSED,))


def together(before: tuple[Stage, ...], settled: Stage) -> tuple[Stage, ...]:
    """Stages, the last of which is a claim, with the settle of what it claims: with it as one stage, if that may be."""
    if not before:
        return (settled,)
    *others, claimed = before
    both = in_one(claimed, settled)
    return (*before, settled) if both is None else (*others, both)


def in_one(claimed: Stage, settled: Stage) -> Stage | None:
    """A stage that stands if both would, one after the other, and leaves the same; None if there is none.

    What a claim adds to a set is new there, so that it need not be added to be removed again; a count that this alone
    would have written, as nought, is not written.
    """
    first, second = claimed.changes, settled.changes
    conditional = settled.due or settled.before or settled.elsewhere or claimed.then
    if conditional or not settled.guards.items() <= first.set.items():
        return None
    for_good = {*first.delete, *first.stamp, *first.number}
    if not for_good.isdisjoint((*settled.guards, *second.set, *second.delete, *second.stamp, *second.number)):
        return None
    struck = [pair for pair in first.add if pair in second.remove and pair not in second.add]
    changes = Changes(
        set={**first.set, **second.set},
        delete=first.delete + second.delete,
        stamp={**first.stamp, **second.stamp},
        number=first.number + second.number,
        add=tuple([pair for pair in first.add if pair not in struck]) + second.add,
        remove=tuple([pair for pair in second.remove if pair not in struck]),
        entries={**first.entries, **second.entries},
        expedite=second.expedite,
        index={**first.index, **second.index},
        events=first.events + second.events,
        end=second.end,
        forget=second.forget,
        also=second.also,
    )
    then = tuple([one for one in settled.then if not _is_denied(one, claimed.guards, changes, settled.then)])
    return Stage(claimed.guards, changes, claimed.due, already=settled.already, then=then)


def _is_denied(condition: Then, guards: Guards, changes: Changes, beside: tuple[Then, ...]) -> bool:
    """Whether a stage's own guards say that one of its conditions cannot hold: what they found is still so then."""
    denied = [name for name, text in condition.guards.items() if name in guards and guards[name] != text]
    return any(not changes.writes(name) and not any(one.changes.writes(name) for one in beside) for name in denied)
