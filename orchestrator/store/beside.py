"""Commits and answers, with what is too long for a run's field kept beside the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.engine.commit import Changes, Commit, Guards, Stage, Then
from orchestrator.store.payloads import MARK, Payloads, reference_to

_MARKED = f'"{MARK}'.encode()
"""What the JSON of a reference, or of a text that would be taken for one, begins with."""


def may_say_long(payloads: Payloads, encoded: bytes) -> bool:
    """Whether a commit, by the JSON that it is sent as, may say something that goes beside."""
    return len(encoded) > payloads.inline_bytes or _MARKED in encoded


def put_beside(payloads: Payloads, commit: Commit) -> Commit:
    """The commit as it is to be applied; what it refers to is kept when this returns."""
    if not _is_long(payloads, commit):
        return commit

    def stow(text: str) -> str:
        return payloads.stow(commit.run_id, text)

    def refer(text: str | None) -> str | None:
        return reference_to(text) if text is not None and payloads.goes_beside(text) else text

    def keep(other: Commit) -> Commit:
        return put_beside(payloads, other)

    return replace(commit, stages=tuple(_stage(stage, stow, refer, keep) for stage in commit.stages))


def fetch_beside(payloads: Payloads, run_id: str, values: Mapping[str, str | None]) -> dict[str, str | None]:
    """The values of a run's fields, with the texts instead of the references to them."""
    return {name: None if held is None else payloads.fetch(run_id, held) for name, held in values.items()}


def _is_long(payloads: Payloads, commit: Commit) -> bool:
    """Whether something that a commit says, to its run or to another, goes beside."""
    return any(_says_long(payloads, stage) for stage in commit.stages)


def _says_long(payloads: Payloads, stage: Stage) -> bool:
    texts = [*stage.changes.set.values(), *stage.guards.values(), *(stage.already or {}).values()]
    others = [*stage.changes.also]
    for later in stage.then:
        texts += [*later.changes.set.values(), *later.guards.values()]
        others += later.changes.also
    if any(text and payloads.goes_beside(text) for text in texts):
        return True
    return any(_is_long(payloads, other) for other in others)


def _stage(
    stage: Stage,
    stow: Callable[[str], str],
    refer: Callable[[str | None], str | None],
    keep: Callable[[Commit], Commit],
) -> Stage:
    def guards(given: Guards) -> Guards:
        return {name: refer(text) for name, text in given.items()}

    def changes(given: Changes) -> Changes:
        also = tuple(keep(other) for other in given.also)
        return replace(given, set={name: stow(text) for name, text in given.set.items()}, also=also)

    return replace(
        stage,
        guards=guards(stage.guards),
        changes=changes(stage.changes),
        already=None if stage.already is None else guards(stage.already),
        then=tuple(Then(guards(later.guards), changes(later.changes)) for later in stage.then),
    )
