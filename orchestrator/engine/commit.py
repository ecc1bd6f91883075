"""Commits as plain values: what the engine decided, for a store to apply atomically.

A run is a mapping of text fields; a commit is up to two stages, each *guards -> changes*. A stage is applied whole or
not at all; the second is judged on the state after the first, and its refusal undoes nothing. Every commit may be sent
twice: a stage that finds its `already` fields changes nothing and answers so. A store knows no workflow: fields,
members and addresses are opaque to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import Enum
from typing import Any

from orchestrator.engine.values import value

Guards = Mapping[str, str | None]
"""Field -> the value that it must have; None: the field must be absent."""

INCARNATION = "incarnation"
CREATED_AT = "created_at"
PAUSED = "paused"
PAUSED_AT = "paused_at"
"""The fields of a run that stores read themselves: who a commit is for, index order, the ledger's pause, since when."""


def count_field(members: str) -> str:
    """The field that holds how many members a set has; absent until the first was added."""
    return f"n:{members}"


def member_field(members: str, member: str) -> str:
    """The field that says that `member` is in the set `members`."""
    return f"m:{members}:{member}"


@value
class Due:
    """When a ledger entry must be looked at: the earliest of these; never, if none is given.

    `within_ms` counts from the moment of the commit, `at_ms` is a moment of Redis's clock, and so is what the field
    `cap` holds when the entry is written, if it is there.
    """

    within_ms: int | None = None
    at_ms: int | None = None
    cap: str | None = None


NEVER = Due()
NOW = Due(within_ms=0)


@value
class Changes:
    """What a stage does to a run, in this order: fields, members, ledger, indexes, events, end, forget."""

    set: Mapping[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    stamp: Mapping[str, int] = field(default_factory=dict)
    """Field -> milliseconds; it becomes the commit's moment plus so many."""
    number: tuple[str, ...] = ()
    """Fields that each take the next number of the run, so that completions have an order."""
    add: tuple[tuple[str, str], ...] = ()
    """(set, member) pairs; adding a member twice changes nothing."""
    remove: tuple[tuple[str, str], ...] = ()
    entries: Mapping[str, Due | None] = field(default_factory=dict)
    """Address -> its only ledger entry; None removes it."""
    expedite: tuple[str, str] | None = None
    """(suffix, value): every entry whose field `address + suffix` is not `value` falls due now; `$` aside."""
    index: Mapping[str, bool] = field(default_factory=dict)
    """Index name -> whether the run is in it, ordered by `created_at`."""
    events: tuple[Mapping[str, Any], ...] = ()
    """For the run's history and the shard's feed."""
    end: bool = False
    """Delete the run's ledger: it is over, from this moment on."""
    forget: int | None = None
    """Delete the run, of which nothing follows, and for so many ms keep its id from being started again."""
    also: tuple[Commit, ...] = ()
    """Commits to other runs of the same shard, each on its own guards; one that is refused changes nothing there."""

    def writes(self, name: str) -> bool:
        """Whether a field of the run is written, members and their counts included."""
        if name in self.set or name in self.stamp or name in self.delete or name in self.number:
            return True
        pairs = (*self.add, *self.remove)
        return any(name in (count_field(members), member_field(members, member)) for members, member in pairs)

    def __or__(self, other: Changes) -> Changes:
        """Both changes as one; where both write the same, the other's stands."""
        if other is NO_CHANGES:
            return self
        if self is NO_CHANGES:
            return other
        return Changes(
            set={**self.set, **other.set},
            delete=self.delete + other.delete,
            stamp={**self.stamp, **other.stamp},
            number=self.number + other.number,
            add=self.add + other.add,
            remove=self.remove + other.remove,
            entries={**self.entries, **other.entries},
            expedite=self.expedite or other.expedite,
            index={**self.index, **other.index},
            events=self.events + other.events,
            end=self.end or other.end,
            forget=self.forget if other.forget is None else other.forget,
            also=self.also + other.also,
        )


NO_CHANGES = Changes()


def merged(changes: Sequence[Changes]) -> Changes:
    """All these changes as one; where several write the same, the last stands."""
    return Changes(
        set={name: text for one in changes for name, text in one.set.items()},
        delete=tuple(name for one in changes for name in one.delete),
        stamp={name: ms for one in changes for name, ms in one.stamp.items()},
        number=tuple(name for one in changes for name in one.number),
        add=tuple(pair for one in changes for pair in one.add),
        remove=tuple(pair for one in changes for pair in one.remove),
        entries={address: due for one in changes for address, due in one.entries.items()},
        expedite=next((one.expedite for one in changes if one.expedite), None),
        index={name: held for one in changes for name, held in one.index.items()},
        events=tuple(event for one in changes for event in one.events),
        end=any(one.end for one in changes),
        forget=next((one.forget for one in changes if one.forget is not None), None),
        also=tuple(commit for one in changes for commit in one.also),
    )


@value
class Then:
    """Changes made beside a stage's own if the guards hold by then: what the last arrival or departure sets off."""

    guards: Guards
    changes: Changes
    past: str | None = None
    """A field: the moment that it holds must have come. For a run that is paused, time stands still."""


@value
class Stage:
    """Guards, due entries and what to do if all of them hold."""

    guards: Guards
    changes: Changes
    due: tuple[str, ...] = ()
    """Addresses whose entries must have fallen due."""
    already: Guards | None = None
    """Fields that show that this very stage was applied before."""
    before: tuple[Then, ...] = ()
    """Made before the stage's own changes: what its moment decides."""
    then: tuple[Then, ...] = ()
    """Made after them."""
    elsewhere: tuple[tuple[str, Guards], ...] = ()
    """(run id, guards): what must hold of other runs of the same shard."""

    def and_also(self, changes: Changes, then: tuple[Then, ...] = ()) -> Stage:
        """The same, which makes these changes besides."""
        both, after = self.changes | changes, self.then + then
        return Stage(self.guards, both, self.due, self.already, self.before, after, self.elsewhere)

    def known_by(self, already: Guards) -> Stage:
        """The same, but for what shows that it was applied before."""
        return Stage(self.guards, self.changes, self.due, already, self.before, self.then, self.elsewhere)


@value
class Commit:
    """One atomic write to one run. `incarnation` None creates the run; else it must exist with that incarnation."""

    run_id: str
    incarnation: str | None
    stages: tuple[Stage, ...]
    reads: tuple[str, ...] = ()
    """Fields whose values, after the commit, come back with the answer, applied or not."""

    def also(self, changes: Changes) -> Commit:
        """The same, with these changes in its first stage."""
        first, *others = self.stages
        return Commit(self.run_id, self.incarnation, (first.and_also(changes), *others), self.reads)

    def with_stages(self, stages: tuple[Stage, ...], reads: tuple[str, ...] | None = None) -> Commit:
        """The same run's commit of other stages."""
        return Commit(self.run_id, self.incarnation, stages, self.reads if reads is None else reads)

    def ended(self, reply: Reply) -> bool:
        """Whether the run is over with this commit."""
        stages = zip(self.stages, reply.answers, strict=False)
        return any(answer is Answer.APPLIED and stage.changes.end for stage, answer in stages)


class Answer(Enum):
    """What became of a stage."""

    APPLIED = "applied"
    ALREADY = "already"
    REFUSED = "refused"
    GONE = "gone"
    """The run does not exist with that incarnation (or, for a start, exists or is remembered)."""

    @property
    def stands(self) -> bool:
        """Whether the stage's changes are in the state."""
        return self in (Answer.APPLIED, Answer.ALREADY)


@value
class Reply:
    """A store's answer: one per stage tried, the moment (Redis's, ms) and the fields asked for."""

    answers: tuple[Answer, ...]
    now_ms: int
    values: Mapping[str, str | None]

    @property
    def first(self) -> Answer:
        """The answer to the first stage."""
        return self.answers[0]

    @property
    def second(self) -> Answer:
        """The answer to the second stage; refused if it was not tried."""
        return self.answers[1] if len(self.answers) > 1 else Answer.REFUSED
