"""Commits and answers, with what is too long for a run's field kept beside the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.engine.commit import Changes, Commit, Guards, Stage, Then
from orchestrator.store.payloads import MARK, Payloads, reference_to


def put_beside(payloads: Payloads, commit: Commit) -> Commit:
    """The commit as it is to be applied; what it refers to is kept when this returns."""
    if not any(_is_long(payloads, stage) for stage in commit.stages):
        return commit

    def stow(text: str) -> str:
        return payloads.stow(commit.run_id, text)

    def refer(text: str | None) -> str | None:
        return reference_to(text) if text is not None and payloads.goes_beside(text) else text

    return replace(commit, stages=tuple(_stage(stage, stow, refer) for stage in commit.stages))


def fetch_beside(payloads: Payloads, run_id: str, values: Mapping[str, str | None]) -> dict[str, str | None]:
    """The values of a run's fields, with the texts instead of the references to them."""
    return {name: None if held is None else payloads.fetch(run_id, held) for name, held in values.items()}


def _is_long(payloads: Payloads, stage: Stage) -> bool:
    texts = [*stage.changes.set.values(), *stage.guards.values(), *(stage.already or {}).values()]
    for later in stage.then:
        texts += [*later.changes.set.values(), *later.guards.values()]
    short = payloads.surely_short
    return any(text and (len(text) > short or text[0] == MARK) and payloads.goes_beside(text) for text in texts)


def _stage(stage: Stage, stow: Callable[[str], str], refer: Callable[[str | None], str | None]) -> Stage:
    def guards(given: Guards) -> Guards:
        return {name: refer(text) for name, text in given.items()}

    def changes(given: Changes) -> Changes:
        return replace(given, set={name: stow(text) for name, text in given.set.items()})

    return replace(
        stage,
        guards=guards(stage.guards),
        changes=changes(stage.changes),
        already=None if stage.already is None else guards(stage.already),
        then=tuple(Then(guards(later.guards), changes(later.changes)) for later in stage.then),
    )
