"""A run under test: what to do to it, and what to ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from orchestrator.client.approvals import RedisApprovals
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.shown import SlaDescription, StepDescription
from orchestrator.engine.address import is_undo
from orchestrator.engine.approvals import Choice
from orchestrator.engine.state import OVER, StepState
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.store.port import HistoryEntry
from orchestrator.testing.calls import Call, names, step_name
from orchestrator.testing.complaints import NothingMoves
from orchestrator.testing.scripts import Duration
from orchestrator.testing.story import outline, tell
from orchestrator.testing.world import World

ENDLESS = 1_000_000
"""So many happenings in a run that was not asked for that much are a loop."""
_BEFORE = frozenset({StepState.PENDING, StepState.READY, StepState.SKIPPED})
_WENT_THROUGH = frozenset(
    {StepState.COMPLETED, StepState.FAILED, StepState.LOST, StepState.READY, StepState.RUNNING, StepState.WAITING}
)


class Run:
    """One run. Steps are named by their ids, or by their addresses where an id stands for several."""

    def __init__(self, handle: RedisRunHandle, world: World) -> None:
        self.handle = handle
        """The client's handle of the run, for everything that clients can ask and do."""
        self._world = world

    def __repr__(self) -> str:
        return f"<{outline(self.handle.describe())}>"

    # What to do to it.

    def finish(self) -> Run:
        """Let everything happen until the run is over, and what still works for it has ended."""
        __tracebackhide__ = True
        self._go(lambda: self.over and not self._world.is_concerned_with(self.handle.run_id), "over")
        return self

    def until(self, place: str | Callable[[Run], bool]) -> Run:
        """Let everything happen until a step has begun and done nothing yet, or until a condition holds."""
        __tracebackhide__ = True
        if isinstance(place, str):
            self._go(lambda: any(step.state not in _BEFORE for step in self._steps(place)), f"at {place!r}")
        else:
            self._go(lambda: place(self), "where the condition holds")
        return self

    def advance(self, duration: Duration) -> Run:
        """Let so much virtual time pass, and everything happen that happens in it."""
        __tracebackhide__ = True
        self._world.pass_to(self._world.clock.now_ms + milliseconds(parse_duration(duration)))
        return self

    def cancel(self, reason: str = "", by: str = "") -> Run:
        """Cancel it as a client does; what follows from that happens with `finish`, `advance` or `until`."""
        self.handle.cancel(reason, by)
        return self

    def signal(self, name: str, data: Any = None, *, id: str | None = None) -> Run:  # noqa: A002
        """Send it a signal as a client does; what follows from that happens with `finish`, `advance` or `until`."""
        self.handle.signal(name, data, id=id)
        return self

    def approve(self, step: str, *, by: str, groups: Sequence[str] = (), comment: str = "", form: Any = None) -> Run:
        """Somebody approves."""
        return self._decide(step, "approve", by, groups, comment, form)

    def reject(self, step: str, *, by: str, groups: Sequence[str] = (), comment: str = "", form: Any = None) -> Run:
        """Somebody rejects."""
        return self._decide(step, "reject", by, groups, comment, form)

    def request_changes(self, step: str, *, by: str, groups: Sequence[str] = (), comment: str = "") -> Run:
        """Somebody asks for changes."""
        return self._decide(step, "request_changes", by, groups, comment, None)

    # What to ask of it.

    @property
    def status(self) -> str:
        """`running`, `compensating`, `completed`, `failed` or `cancelled`."""
        return self.handle.status().value

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.handle.status() in OVER

    @property
    def output(self) -> Any:
        """What it gave; None before its end."""
        return self.handle.describe().output

    @property
    def error(self) -> Any:
        """`{code, message, step, …}` of what stopped it; None if nothing did."""
        return self.handle.describe().error

    @property
    def compensation(self) -> str:
        """How the undo went: `none`, `pending`, `running`, `completed` or `failed`."""
        return self.handle.describe().compensation

    @property
    def duration(self) -> timedelta:
        """Virtual time from its start to its end, or until now."""
        return timedelta(milliseconds=self.handle.describe().duration_ms)

    @property
    def path(self) -> list[str]:
        """The addresses of the steps that it went through, in the order in which they ended; undos are not in it."""
        steps = (step for step in self.handle.describe().steps if not is_undo(step.address))
        return [step.address for step in steps if step.state in _WENT_THROUGH]

    @property
    def undos(self) -> list[str]:
        """The addresses of the steps that were undone, in the order in which that was done."""
        return [step.undoes for step in self.handle.describe().steps if step.undoes and step.state == "completed"]

    @property
    def failed_undos(self) -> list[str]:
        """The addresses of the steps whose undo failed for good."""
        failed = (StepState.FAILED, StepState.LOST)
        return [step.undoes for step in self.handle.describe().steps if step.undoes and step.state in failed]

    @property
    def calls(self) -> list[Call]:
        """Every call of an operation, in order."""
        return [call for call in self._world.performer.calls if call.run_id == self.handle.run_id]

    @property
    def messages(self) -> int:
        """How many messages were delivered for it."""
        return self._world.delivered[self.handle.run_id]

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """The events of its history."""
        return [entry.event for entry in self._history()]

    @property
    def sla(self) -> SlaDescription | None:
        """How it does by its workflow's SLA: `state`, `due_at`, `warned_at`, `breached_at`, `escalations`."""
        return self.handle.describe().sla

    @property
    def sla_events(self) -> list[str]:
        """What fired of its SLA and its steps', in order: `charge: warn`, `run: breach`, `run: 1 (ops)`, `ask: met`."""
        told = [event for event in self.history if event["type"].startswith("sla_")]
        to = [f" ({event['to']})" if "to" in event else "" for event in told]
        levels = zip(told, to, strict=True)
        return [f"{event.get('step', 'run')}: {event.get('level', 'met')}{channel}" for event, channel in levels]

    def calls_of(self, target: str) -> list[Call]:
        """The calls of a step or of an operation, in order."""
        return [call for call in self.calls if names(target, call.address, call.operation)]

    def attempts(self, step: str) -> int:
        """How many attempts a step took; one that a lost worker had begun is taken up again as the same."""
        last: dict[str, int] = {}
        for call in self.calls_of(step):
            last[call.address] = max(call.attempt, last.get(call.address, 0))
        return sum(last.values())

    def step(self, step: str) -> StepDescription:
        """Everything that is known of one step: state, output, error, moments."""
        found = self._steps(step)
        if len(found) != 1:
            known = ", ".join(one.address for one in found or self.handle.describe().steps)
            raise KeyError(f"{step!r} is {'not one' if found else 'none'} of the run's steps: {known}")
        return found[0]

    def child(self, step: str) -> Run:
        """The run that a step has started last; KeyError if it has started none."""
        run_id, own = self.step(step).child_run, self.handle
        if run_id is None:
            raise KeyError(f"{step!r} has started no run")
        return Run(RedisRunHandle(run_id, own.store, own.versions, own.dispatcher), self._world)

    def story(self) -> str:
        """What happened, by virtual time, for people to read."""
        return tell(self.handle.describe(), self._history())

    def _decide(self, step: str, choice: Choice, by: str, groups: Sequence[str], comment: str, form: Any) -> Run:
        handle = self.handle
        approvals = RedisApprovals(self._world.settings, handle.store, handle.versions, handle.dispatcher)
        approvals.decide(handle.run_id, step, choice, by=by, groups=groups, comment=comment, form=form)
        return self

    def _steps(self, name: str) -> list[StepDescription]:
        return [step for step in self.handle.describe().steps if name in (step.address, step_name(step.address))]

    def _history(self) -> list[HistoryEntry]:
        entries: list[HistoryEntry] = []
        while page := self.handle.history(entries[-1].id if entries else "0"):
            entries += page
        return entries

    def _go(self, there: Callable[[], bool], where: str) -> None:
        """Let things happen one by one until it is there; failures are told from where the test stands."""
        __tracebackhide__ = True
        for _ in range(ENDLESS):
            if there():
                return
            try:
                moved = self._world.tick()
            except AssertionError as complaint:
                raise complaint.with_traceback(None) from None
            if not moved:
                raise NothingMoves(f"the run is never {where}, and nothing is left to happen\n\n{self.story()}")
        raise NothingMoves(f"the run is not {where} after {ENDLESS} happenings\n\n{self.story()}")
