"""The verbs of one run over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from orchestrator.client.http.exchange import PREFIX, Emit, Line, Open, Pause, Request, Steps, ask, exchange, tell
from orchestrator.client.http.streams import EventReader
from orchestrator.client.reasons import Why
from orchestrator.client.run_surface import run_failed
from orchestrator.client.shown import RunDescription
from orchestrator.clock import elapsed_s
from orchestrator.engine.state import OVER, RunStatus
from orchestrator.errors import InvalidRequest, RunGoesOn, Unreachable, WaitTimeout
from orchestrator.store.port import HistoryEntry

if TYPE_CHECKING:
    from orchestrator.engine.undoing import UndoPreview

WAIT_S: Final = 25.0
"""So long one request waits for a run's end."""
SILENT_S: Final = 30.0
"""A stream in which so long not even a comment came is broken."""
ATTEMPTS: Final = 9
"""So often in a row a wait is tried before it is given up as unreachable; with the pauses, over 20 seconds."""
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands."""

    status: RunStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    status: str
    compensation: str
    output: Any = None
    error: Any = None


@dataclass(frozen=True, slots=True)
class Told:
    """Some of a run's history."""

    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class RunVerbs:
    """What can be done with one run."""

    run_id: str

    @property
    def path(self) -> str:
        """Where the run is."""
        return f"{PREFIX}/runs/{quote(self.run_id, safe='')}"

    def status(self) -> Steps[RunStatus]:
        """GET `/status`, the cheapest look at a run."""
        return (yield from ask(self._get("/status"), Standing)).status

    def describe(self) -> Steps[RunDescription]:
        """GET the run itself."""
        return (yield from ask(self._get(""), RunDescription))

    def result(self, timeout: float | None = None) -> Steps[Any]:
        """GET `/result`, which waits, until there is one."""
        deadline = None if timeout is None else elapsed_s() + timeout
        while True:
            left_s = WAIT_S if deadline is None else max(0.0, deadline - elapsed_s())
            wait_s = min(left_s, WAIT_S)
            request = self._get("/result", {"wait": wait_s}, timeout_s=wait_s + SILENT_S)
            try:
                found = yield from patient(lambda request=request: ask(request, Outcome))  # type: ignore[misc]
            except RunGoesOn as error:
                if deadline is not None and elapsed_s() >= deadline:
                    status = str(error.details.get("status", ""))
                    raise self._still(status) from None
                continue
            if found.status != RunStatus.COMPLETED:
                raise run_failed(self.run_id, found.status, found.error or {}, found.compensation)
            return found.output

    def history(self, after: str = "0", limit: int = 1000) -> Steps[list[HistoryEntry]]:
        """GET `/history`."""
        told = yield from ask(self._get("/history", {"after": after, "limit": limit}), Told)
        return [entry_of(event) for event in told.events]

    def follow(self, after: str = "0", timeout: float | None = None) -> Steps[None]:
        """GET `/stream`, again from behind the last event wherever it breaks off."""
        deadline = None if timeout is None else elapsed_s() + timeout
        broken = 0
        while True:
            left_s = SILENT_S if deadline is None else deadline - elapsed_s()
            if left_s <= 0:
                status = yield from self.status()
                if status not in OVER:
                    raise self._still(status.value)
                deadline, left_s = None, SILENT_S
            try:
                opened = yield from exchange(Open(self._stream(after), min(left_s, SILENT_S)))
                if not opened.content_follows:
                    return
                reader = EventReader()
                while (line := (yield Line())) is not None:
                    event = reader.take(line)
                    if event is not None and event.kind == "end":
                        return
                    if event is not None:
                        after, broken = event.id, 0
                        yield Emit(entry_of(event.json))
                    if deadline is not None and elapsed_s() >= deadline:
                        break
                else:
                    raise Unreachable("the stream ended before the run did")  # noqa: TRY301  # as if it had broken off
            except Unreachable:
                broken += 1
                if broken >= ATTEMPTS:
                    raise
            if broken and (deadline is None or elapsed_s() < deadline):
                yield Pause(_pause_s(broken))

    def cancel(self, reason: str = "", by: str = "") -> Steps[None]:
        """POST `/cancel`."""
        return (yield from self._post("cancel", by, {"reason": reason}))

    def pause(self, reason: str = "", by: str = "") -> Steps[None]:
        """POST `/pause`."""
        return (yield from self._post("pause", by, {"reason": reason}))

    def resume(self, reason: str = "", by: str = "") -> Steps[None]:
        """POST `/resume`."""
        return (yield from self._post("resume", by, {"reason": reason}))

    def retry(
        self,
        reason: str = "",
        by: str = "",
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002  # the word of the spec
        step: str | None = None,
        incarnation: int | None = None,
    ) -> Steps[None]:
        """POST `/retry`."""
        body = {"reason": reason, "input": input, "from_step": step, "incarnation": incarnation}
        return (yield from self._post("retry", by, body))

    def skip(self, step: str, reason: str = "", by: str = "", *, output: Any = None) -> Steps[None]:
        """POST `/skip`."""
        return (yield from self._post("skip", by, {"step": step, "reason": reason, "output": output}))

    def signal(self, name: str, data: Any = None, *, id: str | None = None, by: str = "") -> Steps[None]:  # noqa: A002
        """POST `/signals`."""
        return (yield from self._post("signals", by, {"name": name, "data": data, "id": id}))

    def undo(self, reason: str = "", by: str = "") -> Steps[None]:
        """POST `/undo`."""
        return (yield from self._post("undo", by, {"reason": reason}))

    def undo_preview(self) -> Steps[UndoPreview]:
        """GET `/undo-preview`."""
        from orchestrator.engine.undoing import UndoPreview  # noqa: PLC0415  # brings in the expressions

        return (yield from ask(self._get("/undo-preview"), UndoPreview))

    def waive(self, step: str, reason: str = "", by: str = "") -> Steps[None]:
        """POST `/waive`."""
        return (yield from self._post("waive", by, {"step": step, "reason": reason}))

    def why(self) -> Steps[Why]:
        """GET `/why`."""
        return (yield from ask(self._get("/why"), Why))

    def _get(self, rest: str, params: Mapping[str, Any] | None = None, timeout_s: float | None = None) -> Request:
        return Request("GET", f"{self.path}{rest}", params=params or {}, timeout_s=timeout_s)

    def _post(self, verb: str, by: str, body: Mapping[str, Any]) -> Steps[None]:
        check_acts_itself(by)
        given = {name: value for name, value in body.items() if value is not None}
        yield from tell(Request("POST", f"{self.path}/{verb}", body=given))

    def _stream(self, after: str) -> Request:
        return Request("GET", f"{self.path}/stream", headers={"Last-Event-ID": after, "Accept": "text/event-stream"})

    def _still(self, status: str) -> WaitTimeout:
        return WaitTimeout(f"run {self.run_id} is still {status}", run_id=self.run_id, status=status)


def check_acts_itself(by: str, groups: object = ()) -> None:
    """InvalidRequest if somebody is named: over HTTP that says the key."""
    if by or groups:
        raise InvalidRequest("over HTTP the API key says who acts and in which groups they are; leave `by` out")


def patient(verb: Callable[[], Steps[T]]) -> Steps[T]:
    """A verb that changes nothing, made again after a broken connection."""
    broken = 0
    while True:
        try:
            return (yield from verb())
        except Unreachable:
            broken += 1
            if broken >= ATTEMPTS:
                raise
        yield Pause(_pause_s(broken))


def _pause_s(broken: int) -> float:
    return float(min(_FIRST_PAUSE_S * 2 ** (broken - 1), _LONGEST_PAUSE_S))


def entry_of(told: Mapping[str, Any]) -> HistoryEntry:
    """An event as the history has it; its own `id`, if it has one, is told as `event_id`."""
    own = {name: value for name, value in told.items() if name not in ("id", "at_ms", "event_id")}
    if "event_id" in told:
        own["id"] = told["event_id"]
    return HistoryEntry(told["id"], told["at_ms"], own)
