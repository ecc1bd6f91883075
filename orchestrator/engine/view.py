"""What the engine knows of a run: the fields it has read, typed.

A view is only what to decide from. Whatever is decided is guarded by the commit, so a stale view costs a second look
and never a wrong state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.commit import Commit, Reply
from orchestrator.engine.state import OVER, RunStatus, StepState

_STEP_STATES: Mapping[str, StepState] = {state.value: state for state in StepState}
_RUN_STATUSES: Mapping[str, RunStatus] = {status.value: status for status in RunStatus}


class RunView:
    """The fields of a run that have been read so far; grows with every reply."""

    __slots__ = ("_json", "_values", "now_ms", "run_id")

    def __init__(self, run_id: str, values: Mapping[str, str | None], now_ms: int) -> None:
        self.run_id = run_id
        self.now_ms = now_ms
        self._values: dict[str, str | None] = dict(values)
        self._json: dict[str, Any] = {}

    def __getitem__(self, name: str) -> str | None:
        return self._values.get(name)

    @property
    def archived(self) -> bool:
        """Whether this was read from the archive: the run is kept there alone, and nothing can be done to it."""
        return self._values.get(fields.ARCHIVED_AT) is not None

    def names(self) -> list[str]:
        """Every field that has been read and is there."""
        return [name for name, text in self._values.items() if text is not None]

    def items(self) -> Iterable[tuple[str, str | None]]:
        """Every field that has been read, with its text."""
        return self._values.items()

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the fields that have not been read yet."""
        return tuple(name for name in names if name not in self._values)

    def absorb(self, commit: Commit, reply: Reply) -> None:
        """Take over what a commit wrote and what came back with its answer."""
        self.now_ms = reply.now_ms
        for stage, answer in zip(commit.stages, reply.answers, strict=False):
            if answer.stands:
                self._write(stage.changes.set)
                self._write(dict.fromkeys(stage.changes.delete))
        self.learn(reply.values, reply.now_ms)

    def assume(self, commit: Commit) -> None:
        """Take over what a commit will write that is kept back, to go with the next one."""
        for stage in commit.stages:
            self._write(stage.changes.set)
            self._write(dict.fromkeys(stage.changes.delete))

    def learn(self, values: Mapping[str, str | None], now_ms: int) -> None:
        """Take over fields that were read."""
        self.now_ms = now_ms
        self._write(values)

    def _write(self, values: Mapping[str, str | None]) -> None:
        if self._json:
            for name in self._json.keys() & values.keys():
                del self._json[name]
        self._values.update(values)

    def json(self, name: str) -> Any:
        """The field's JSON value; None if it is absent."""
        if name not in self._json:
            text = self._values.get(name)
            self._json[name] = None if text is None else json.loads(text)
        return self._json[name]

    def number(self, name: str, default: int = 0) -> int:
        """The field as a whole number."""
        text = self._values.get(name)
        return default if text is None else int(text)

    def moment(self, name: str) -> int | None:
        """The field as a moment in ms; None if it is absent."""
        text = self._values.get(name)
        return None if text is None else int(text)

    @property
    def exists(self) -> bool:
        """Whether there is such a run."""
        return self._values.get(fields.INCARNATION) is not None

    @property
    def incarnation(self) -> str:
        """Which life of the run this is, from "1"."""
        return self._values.get(fields.INCARNATION) or "1"

    @property
    def status(self) -> RunStatus:
        """Where the run is."""
        return _RUN_STATUSES[self._values.get(fields.STATUS) or "pending"]

    @property
    def pinned(self) -> tuple[str, str]:
        """Its workflow and version."""
        return self._values.get(fields.WORKFLOW) or "", self._values.get(fields.VERSION) or ""

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.status in OVER

    @property
    def stopping(self) -> bool:
        """Whether nothing new may start."""
        return self._values.get(fields.STOPPING) == "1"

    @property
    def paused(self) -> bool:
        """Whether claims have to wait."""
        return self._values.get(fields.PAUSED) == "1"

    def state(self, address: str) -> StepState:
        """Where a step is."""
        return _STEP_STATES[self._values.get(fields.state(address)) or "pending"]

    def attempt(self, address: str) -> int:
        """The number of a step's present attempt, from 1."""
        return self.number(fields.attempt(address), 1)

    def unreported(self, address: str) -> int:
        """How many of a step's attempts have not reported a failure."""
        return self.number(fields.open_count(address))

    def returned(self, address: str) -> bool:
        """Whether the step's operation is known to have done its work."""
        return self.state(address) is StepState.COMPLETED or self._values.get(fields.done(address)) == "1"

    def addresses(self) -> tuple[str, ...]:
        """Every step that the view knows a state of."""
        return tuple(name.removesuffix(":state") for name in self._values if name.endswith(":state"))
