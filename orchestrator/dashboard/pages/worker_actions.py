"""What a worker can be told: for admins who see every workflow, asked for first, with a reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.shown_fleet import WorkerDescription, WorkerState
from orchestrator.client.workers import GROWING
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.markup import NOTHING, joined
from orchestrator.dashboard.look.parts import button, choice_field, text_field
from orchestrator.dashboard.paths import to
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import InvalidRequest

Values = Mapping[str, str]
Do = Callable[[Fleet, str, Values], None]
Refresh = Callable[[Caller], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that a worker can be told."""

    word: str
    title: str
    """The dialog's; `{}` is the worker."""
    audited: str
    """How the audit log names it."""
    do: Do
    says: str
    dangerous: bool = False


def _grow(fleet: Fleet, name: str, values: Values) -> None:
    fleet.grow(name, _count(values), _reason(values))


def _shrink(fleet: Fleet, name: str, values: Values) -> None:
    fleet.shrink(name, _count(values), _reason(values))


def _add(fleet: Fleet, name: str, values: Values) -> None:
    fleet.add_consumer(name, values.get("queue", "").strip(), _reason(values))


def _cancel(fleet: Fleet, name: str, values: Values) -> None:
    fleet.cancel_consumer(name, values.get("queue", ""), _reason(values))


def _drain(fleet: Fleet, name: str, values: Values) -> None:
    fleet.drain(name, _reason(values))


def _resume(fleet: Fleet, name: str, values: Values) -> None:
    fleet.resume(name, _reason(values))


def _shut_down(fleet: Fleet, name: str, values: Values) -> None:
    fleet.shutdown(name, _reason(values))


def _limit_time(fleet: Fleet, name: str, values: Values) -> None:
    soft, hard = _seconds(values, "soft"), _seconds(values, "hard")
    fleet.limit_time(name, values.get("task", "").strip(), soft_s=soft, hard_s=hard, reason=_reason(values))


def _limit_rate(fleet: Fleet, name: str, values: Values) -> None:
    fleet.limit_rate(name, values.get("task", "").strip(), values.get("rate", "").strip(), _reason(values))


def _forget(fleet: Fleet, name: str, values: Values) -> None:
    fleet.forget(name, _reason(values))


_UNTIL: Final = "Until it is started again: then it is as its command line says."
VERBS: Final[Mapping[str, Verb]] = {
    "grow": Verb("Grow", "Grow the pool of {}?", "grow_pool", _grow, _UNTIL),
    "shrink": Verb(
        "Shrink", "Shrink the pool of {}?", "shrink_pool", _shrink, f"Idle processes go; one stays. {_UNTIL}"
    ),
    "add": Verb("Add a queue", "Have {} take from a queue as well?", "add_consumer", _add, _UNTIL),
    "cancel": Verb(
        "Cancel a queue",
        "Have {} take from a queue no more?",
        "cancel_consumer",
        _cancel,
        f"It ends what it has of it. {_UNTIL}",
    ),
    "drain": Verb(
        "Drain",
        "Drain {}?",
        "drain_worker",
        _drain,
        "It ends what it has, prefetched messages too, and takes nothing new until it is resumed.",
    ),
    "resume": Verb(
        "Resume", "Resume {}?", "resume_worker", _resume, "It takes from the queues again that it was drained of."
    ),
    "shutdown": Verb(
        "Shut down",
        "Shut {} down?",
        "shut_down_worker",
        _shut_down,
        "It ends what it has begun, then itself. Whatever supervises it may start it again.",
        dangerous=True,
    ),
    "time": Verb(
        "Time limit",
        "Limit how long a task may take on {}?",
        "limit_time",
        _limit_time,
        f"For tasks of your own app: steps have the limits of their specs. {_UNTIL}",
    ),
    "rate": Verb(
        "Rate limit",
        "Limit how often a task is begun on {}?",
        "limit_rate",
        _limit_rate,
        f"What is over it waits in this worker. Across workers: limits of the specs. {_UNTIL}",
    ),
    "forget": Verb("Forget", "Forget {}?", "forget_worker", _forget, "It leaves the list before its day is over."),
}


class WorkerActions:
    """The buttons of one worker's page."""

    def __init__(self, visit: Visit, name: str, refresh: Refresh, inspected: Callable[[Any], None]) -> None:
        self.visit = visit
        self.name = name
        self._refresh = refresh
        self._inspected = inspected
        self._offered: tuple[tuple[str, str], ...] = ()
        self.worker: WorkerDescription | None = None
        self.bar = ui.element("div").classes("bar").props("role=group aria-label=Actions")

    def put(self, worker: WorkerDescription) -> None:
        """Offer what the worker's state allows."""
        self.worker = worker
        offered = tuple((verb, self._why_not(verb, worker)) for verb in offers(worker))
        if offered == self._offered:
            return
        self._offered = offered
        self.bar.clear()
        with self.bar:
            for verb, why_not in offered:
                if verb == "inspect":
                    button("Inspect", self._inspect, why_not=why_not)
                else:
                    button(f"{VERBS[verb].word}…", self._asking(verb), why_not=why_not)

    def _why_not(self, verb: str, worker: WorkerDescription) -> str:
        if not self.visit.allows(Role.ADMIN):
            return f"This needs the role {Role.ADMIN}."
        if self.visit.first.workflows:
            return "A key for some workflows only may not do this."
        if verb in ("grow", "shrink") and worker.pool not in GROWING:
            return f"The pool {worker.pool} cannot change its size."
        if verb == "shrink" and worker.concurrency <= 1:
            return "One process stays."
        return ""

    def _asking(self, verb: str) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            told = VERBS[verb]

            async def decided(values: dict[str, str]) -> None:
                await self._tell(told, values)

            title, fields = told.title.format(self.name), self._fields(verb)
            await confirm(title, told.word, decided, says=told.says, fields=fields, dangerous=told.dangerous)

        return ask

    async def _tell(self, told: Verb, values: dict[str, str]) -> None:
        def do(caller: Caller) -> Caller:
            caller.check_unrestricted()
            told.do(caller.client.fleet, self.name, values)
            return caller

        caller = await self.visit.act(Role.ADMIN, told.audited, f"workers/{self.name}", do, f"{told.word}: it will")
        if caller is None:
            return
        if told.audited == "forget_worker":
            self.visit.go(to("/workers"))
            return
        await self.visit.again(self._refresh)

    async def _inspect(self) -> None:
        def do(caller: Caller) -> Mapping[str, Any]:
            caller.check_unrestricted()
            return caller.client.fleet.inspect(self.name)

        target = f"workers/{self.name}"
        found = await self.visit.act(Role.ADMIN, "inspect_worker", target, do, "It has answered; see below.")
        if found is not None:
            self._inspected(dict(found))

    def _fields(self, verb: str) -> Markup:
        if verb in ("grow", "shrink"):
            most = (self.worker.concurrency - 1) if self.worker and verb == "shrink" else 100
            return text_field("Processes", "count", "1", type="number", min=1, max=max(1, most), required=True)
        if verb == "add":
            return text_field("Queue", "queue", required=True, autocomplete="off")
        if verb == "cancel":
            queues = self.worker.queues if self.worker else ()
            return choice_field("Queue", "queue", {one: one for one in queues})
        if verb == "time":
            soft = text_field("Soft limit", "soft", hint="Seconds. Empty: none.", type="number", min=0, step="any")
            hard = text_field("Hard limit", "hard", hint="Seconds. Empty: none.", type="number", min=0, step="any")
            return joined([_task_field(), soft, hard])
        if verb == "rate":
            hint = "As 100/m, 10/s or 5/h; 0 is no limit."
            return joined([_task_field(), text_field("Rate", "rate", hint=hint, required=True)])
        return NOTHING


def offers(worker: WorkerDescription) -> tuple[str, ...]:
    """What can be told to a worker in this state."""
    if worker.state is WorkerState.LOST:
        return ("forget",)
    if worker.state is WorkerState.STOPPING:
        return ("inspect",)
    drained = worker.state is WorkerState.DRAINING
    moves = ("resume",) if drained else ("drain",)
    queues = () if drained else ("add", *(("cancel",) if worker.queues else ()))
    return ("grow", "shrink", *queues, *moves, "time", "rate", "inspect", "shutdown")


def _task_field() -> Markup:
    return text_field("Task", "task", hint="The Celery task's name.", required=True, autocomplete="off")


def _reason(values: Values) -> str:
    return values.get("reason", "")


def _count(values: Values) -> int:
    text = values.get("count", "").strip()
    if not text.isdecimal():
        raise InvalidRequest(f"a pool changes by 1 or more, not by {text!r}")
    return int(text)


def _seconds(values: Values, name: str) -> float | None:
    text = values.get(name, "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InvalidRequest(f"{name}: seconds are a number, not {text!r}") from error
