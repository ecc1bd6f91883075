"""What one message asks whoever runs it to do, how it ends, and on which terms it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from orchestrator.engine.commit import Commit
from orchestrator.engine.quotas import Slots
from orchestrator.engine.stages import Timing
from orchestrator.engine.values import value
from orchestrator.plan.graph import Plan, Work


@value
class Read:
    """Read fields of a run, or all of them -> (now_ms, values)."""

    run_id: str
    names: tuple[str, ...] | None


@value
class LoadPlan:
    """Get the plan of the version that this run, or a child of it, is pinned to -> Plan."""

    key: str
    version: str
    digest: str


@value
class Apply:
    """Apply a commit -> Reply. `claims` is the address that it claims with `token`, if it does."""

    commit: Commit
    claims: str | None = None
    token: str = ""


@value
class Attempt:
    """Execute an operation -> Outcome, or None if its lease has run out before it began.

    `token` is that of the lease: the step's own, its lane's, or that of the step with which it shares a commit.
    """

    run_id: str
    incarnation: str
    address: str
    token: str
    number: int
    work: Work
    inputs: Any
    idempotency_key: str
    user: Any


@value
class SetAside:
    """Put the present message aside as the signature that goes on with this address later -> its text, or None."""

    address: str


@value
class Fork:
    """These addresses are ready beside what this message goes on with: each is to be looked at -> None.

    `container`: what they and the step that this message goes on with are the beginning of, if they are.
    """

    plan: Plan
    addresses: tuple[str, ...]
    container: str | None = None
    spare: bool = False
    """Whether they need a look only if what this message goes on with takes long."""


@value
class Acquire:
    """Ask for slots, or a place in line -> (whether they are held, ms after which to ask again)."""

    slots: Slots


@value
class Release:
    """Give slots back, or the place in line -> None."""

    slots: Slots


@value
class Recall:
    """Look into the log of a name -> some (entry id, event) since a moment and behind an entry, oldest first."""

    name: str
    since_ms: int
    after: str


@value
class Take:
    """This message has come to an end: the next address to look at with it, if there is one and time -> it or None."""


@value
class PrepareChild:
    """Find the version that a child takes, and check what it is given -> PreparedChild or Failure."""

    key: str
    version: str
    """`1.2.0`, `^1.2.0` or `latest`."""
    inputs: Any
    ctx: Any
    run_id: str


@value
class PreparedChild:
    """A child that can be started; input and ctx are JSON texts that have been checked."""

    plan: Plan
    input: str
    ctx: str


@value
class Wake:
    """Another run was moved by a commit of this one: these addresses of it are to be looked at -> None."""

    run_id: str
    addresses: tuple[str, ...]


Effect = Read | LoadPlan | Apply | Attempt | SetAside | Fork | Take | Acquire | Release | Recall | PrepareChild | Wake


@value
class Done:
    """There is nothing more to do with this message, or for this run."""


@value
class HandOver:
    """The next step is ready and not for this message."""

    plan: Plan
    address: str


@value
class Parked:
    """The step waits for so many ms."""

    plan: Plan
    address: str
    for_ms: int


@value
class Stopped:
    """The step failed and nobody handles it: Celery is to call the errback. `failure`: its code, for logs."""

    plan: Plan
    address: str
    failure: str


Ending = Done | HandOver | Parked | Stopped


@value
class SliceTerms:
    """What a slice is run with."""

    timing: Timing
    new_token: Callable[[], str]
    chance: Callable[[], float]
    serves: Callable[[Work], bool]
    """Whether this worker has the operation."""
    goes_on: Callable[[Work | None], bool]
    """Whether this message may go on with such a step: it has time left, and the step is on its queue."""
    max_bytes: int = 262_144
    """How large outputs may be."""
    elapsed_ms: Callable[[], float] = lambda: 0.0
    """How long this message has gone on."""
    quick: Callable[[Work], bool] = lambda _: False
    """Whether an operation is known to take less than a commit, so that steps without effect share one."""


Steps = Generator[Effect, Any, Ending]
