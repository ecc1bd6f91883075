"""Runs that operators retry, undo, waive, pause and cancel at random: no effect is doubled, and none is forgotten."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import OperationError, define_workflow
from orchestrator.engine import fields
from orchestrator.engine.address import undo_of
from orchestrator.engine.places import node_at
from orchestrator.engine.roots import idempotency_key
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.errors import RunOver, SignalNotExpected
from orchestrator.testing import Harness, NothingMoves, Run, always, ok
from tests.property.awaiting import waiting_workflows
from tests.property.laws_of_awaiting import check_kept
from tests.property.nested import nested_workflows

LIVES = 6
"""So often a run is begun again, at most; in the last life, everything succeeds."""
MOST_BRINGINGS = 40
"""A loop of waits takes a few; no run needs more."""
DOES = ("do.write", "do.once", "do.letter", "do.read")
UNDOES = ("undo.write", "undo.once")


@dataclass
class World:
    """A run, what its operations did outside, and an operator who does whatever is possible."""

    workflow: dict[str, Any]
    flag: bool
    chance: Random
    fails: float = 0.3
    """How likely a call fails; an undo half as likely."""
    done: dict[str, str] = field(default_factory=dict)
    """Idempotency key -> address, of every effect."""
    undone: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    """Effects that nobody will undo: waived, sealed by a pivot, or of a workflow that undoes nothing at a cancel."""

    def __post_init__(self) -> None:
        self.harness = Harness()
        flow = self.harness(define_workflow(meta={"key": "test.flow", "version": "1.0.0"}, **self.workflow))
        named = {call for call in (*DOES, *UNDOES) if call in flow.operations}
        for operation in named:
            flow.script(operation, always(ok(self.undo if operation in UNDOES else self.do)))
        self.run: Run = flow.start({"flag": self.flag, "n": 2})

    def do(self, _given: Any) -> int:
        """Have an effect, or fail without."""
        call = self.run.calls[-1]
        self._may_fail(self.fails)
        assert call.idempotency_key not in self.completed, "done again under the key of a result that stands"
        assert call.idempotency_key not in self.undone, "done under a key that was undone"
        self.done[call.idempotency_key] = call.address
        return len(self.done)

    def undo(self, undo: dict[str, Any]) -> None:
        """Take an effect back, or fail to."""
        self._may_fail(self.fails / 2)
        assert undo["idempotency_key"] in self.done, "undone though it was not done"
        assert undo["idempotency_key"] not in self.undone, "undone twice"
        self.undone.add(undo["idempotency_key"])

    def live(self) -> None:
        """Let the run come to its end, with somebody meddling; then see what there is of it."""
        if self.chance.random() < 0.3:
            self.bring()
        if self.chance.random() < 0.4:
            self.run.advance(self.chance.choice(["1s", "5s", "20s"]))
            if not self.run.over:
                self.meddle()
        self.finish()
        self.check()

    def finish(self) -> None:
        """Let the run come to its end; whatever it waits for comes when nothing else is left to happen."""
        for _ in range(MOST_BRINGINGS):
            with suppress(NothingMoves):
                self.run.finish()
                return
            self.bring()
        raise AssertionError(f"never over\n{self.run.story()}")

    def bring(self) -> None:
        """Events and signals come, for whoever waits for them."""
        for n in (1, 2, 3):
            self.harness.emit("came", {"n": n})
        for name in ("go", "halt"):
            with suppress(SignalNotExpected, RunOver):
                self.run.signal(name, {"n": 2})

    def meddle(self) -> None:
        """Cancel the run, pause it for a while, or skip something that waits."""
        deed = self.chance.choice(["cancel", "pause", "skip"])
        waiting = [step for step in self.run.handle.describe().steps if step.state == "waiting" and step.kind == "wait"]
        if deed == "cancel":
            self.run.cancel()
        elif deed == "pause":
            self.run.handle.pause()
            self.run.advance("5m")
            self.run.handle.resume()
        elif waiting:
            self.run.handle.skip(self.chance.choice(waiting).address)

    def begin_again(self) -> None:
        """Make what an operator has to make before a retry, and retry."""
        handle = self.run.handle
        self.left |= {self.key(kept.address) for kept in handle.undo_preview().kept if kept.why == "behind_pivot"}
        if self.run.status == "cancelled" and not self.workflow["compensation"]["on_cancel"]:
            self.left |= self.done.keys()
        while self.run.compensation in ("pending", "failed"):
            first = handle.undo_preview().undos[0].address.removesuffix("~")
            if self.chance.random() < 0.5:
                self.left.add(self.key(first))
                handle.waive(first)
            else:
                handle.undo()
                self.finish()
            self.check()
        handle.retry()

    def check(self) -> None:
        """The run is over and nothing is left to look at; it knows of every effect that was not taken back."""
        view, handle = self.view(), self.run.handle
        plan = handle.versions.plan(*view.pinned)
        assert view.over
        assert handle.store.entries(view.run_id) == {}
        assert view.number(fields.LIVE_COUNT) == 0
        check_kept(plan, dict(view.items()))
        self.completed |= {self.key(one) for one in view.addresses() if view.state(one) is StepState.COMPLETED}
        for key, address in self.done.items():
            if node_at(plan, address).undo is None or key in self.left:
                continue
            if key in self.undone:
                mine = idempotency_key(view, address) == key and view.state(address) is not StepState.PENDING
                assert not mine or view.state(undo_of(address)) is StepState.COMPLETED, f"{key} is not known as undone"
            else:
                assert idempotency_key(view, address) == key, f"{key} is forgotten"
                assert view.returned(address) or view.unreported(address), f"{key} is forgotten"

    def view(self) -> RunView:
        """The whole run."""
        now_ms, values = self.run.handle.store.read_all(self.run.handle.run_id)
        return RunView(self.run.handle.run_id, values, now_ms)

    def key(self, address: str) -> str:
        """The idempotency key that a step has in this life."""
        return idempotency_key(self.view(), address)

    def _may_fail(self, likely: float) -> None:
        if self.chance.random() < likely:
            raise OperationError("declined", retryable=self.chance.random() < 0.5)


@settings(max_examples=60, deadline=None)
@given(
    workflow=nested_workflows(),
    manual=st.booleans(),
    flag=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_no_life_of_a_run_doubles_or_forgets_an_effect(
    workflow: dict[str, Any], manual: bool, flag: bool, chance: Random
) -> None:
    """However often it fails and is begun again: each key is done once, undone once, and what stands is known."""
    workflow["compensation"]["trigger"] = "manual" if manual else "automatic"

    live_many_lives(World(workflow, flag, chance))


def live_many_lives(world: World) -> None:
    """The run fails and is begun again until it completes."""
    for life in range(LIVES):
        world.fails = 0.3 if life < LIVES - 1 else 0.0
        world.live()
        if world.run.status == "completed":
            break
        world.begin_again()
    world.finish()

    world.check()


@settings(max_examples=60, deadline=None)
@given(workflow=waiting_workflows(), flag=st.booleans(), chance=st.randoms(use_true_random=False))
def test_no_life_of_a_run_takes_anything_twice_or_waits_for_what_it_has(
    workflow: dict[str, Any], flag: bool, chance: Random
) -> None:
    """What steps that are discarded took is free again, what kept steps took is not, and no life waits for ever."""
    live_many_lives(World(workflow, flag, chance))
