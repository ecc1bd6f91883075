"""What must hold of steps that wait for something from outside; told independently of the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.engine.address import flow_of, is_drain, is_lane, is_undo
from orchestrator.engine.places import node_at
from orchestrator.engine.state import StepState
from orchestrator.plan.graph import Awaited, Plan

Values = Mapping[str, str]
Event = Mapping[str, Any]
Log = Sequence[tuple[str, Event]]

FILTERS: Mapping[str, Callable[[float], bool]] = {"": lambda _: True, "event.data.n > 1": lambda n: n > 1}
"""The filters that the tests write."""


@dataclass
class Takings:
    """What steps took of what came, while the run went on."""

    seen: dict[str, int] = field(default_factory=dict)
    """Address -> how many events had come when it began to wait."""
    taken: dict[str, set[str]] = field(default_factory=dict)
    """Step, all its visits together -> the ids of the events that it took."""
    signals: dict[str, str] = field(default_factory=dict)
    """Id of a signal -> the step that took it."""


def check_takings(plan: Plan, takings: Takings, log: Log, before: Values, after: Values) -> None:
    """One commit: what a step takes fits, is taken once, and nothing older that fits is passed over."""
    for name in after.keys() - before.keys() if before else ():
        if name.startswith("signal."):
            held = [text for other, text in after.items() if other.startswith("signal.") and other != name]
            assert json.loads(after[name])["id"] not in [json.loads(text)["id"] for text in held], "one signal is two"
    for name in after:
        address, _, what = name.rpartition(":")
        awaited = _awaited(plan, address) if what == "state" else None
        if awaited is None or before.get(name) == after[name]:
            continue
        if after[name] == StepState.WAITING:
            takings.seen[address] = len(log)
        elif after[name] == StepState.COMPLETED and awaited.signals:
            _check_signal(takings, awaited, address, after)
        elif after[name] == StepState.COMPLETED:
            _check_event(takings, awaited, address, log, after)


def check_nothing_lies(plan: Plan, takings: Takings, log: Log, values: Values) -> None:
    """When nothing is left to happen: no step waits for what has come, been delivered, and fits."""
    for name in (name for name, text in values.items() if name.endswith(":state") and text == StepState.WAITING):
        address = name.removesuffix(":state")
        awaited = _awaited(plan, address)
        if awaited is not None and awaited.signals:
            assert not _kept(takings, awaited, values), f"{address} waits for a signal that has come"
        elif awaited is not None:
            fitting = [event["id"] for _, event in log if fits(awaited, address, event, values)]
            left = [one for one in fitting if one not in takings.taken.get(one_of_all(address), set())]
            assert not left, f"{address} waits for {left}, which came"


def check_kept(plan: Plan, values: Mapping[str, str | None]) -> None:
    """Of a run that is over, in whatever life: no event was taken twice by a step, and no signal by two steps."""
    events, signals = list[tuple[str, str]](), dict[str, str]()
    for name in (name for name, text in values.items() if name.endswith(":state") and text == StepState.COMPLETED):
        address = name.removesuffix(":state")
        awaited = _awaited(plan, address)
        if awaited is not None:
            taken = json.loads(values[f"{address}:out"] or "null")
            if not awaited.signals:
                events.append((one_of_all(address), taken["id"]))
                continue
            assert taken["id"] not in signals, f"{taken['id']} is taken by {signals[taken['id']]} and {address}"
            signals[taken["id"]] = address
    assert len(events) == len(set(events)), f"taken twice: {sorted(events)}"
    takers = {name: taker for name, taker in values.items() if name.startswith("signal_by.")}
    assert sorted(signals.values()) == sorted(str(taker) for taker in takers.values()), "who took what"


def fits(awaited: Awaited, address: str, event: Event, values: Values) -> bool:
    """Whether an event is one that a step waits for."""
    n = event["data"]["n"]
    passes = FILTERS[awaited.filter.text if awaited.filter else ""]
    correlated = awaited.of_run is None or _text(_wanted(awaited.of_run.text, address, values)) == _text(n)
    return awaited.source in (None, event["source"]) and correlated and passes(n) and _is_sound(awaited, event)


def _wanted(written: str, address: str, values: Values) -> Any:
    match written:
        case "item":
            return json.loads(values[f"{flow_of(address)}:item"])
        case "input.n":
            return json.loads(values["input"])["n"]
    return json.loads(values[f"{address}:value"])


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def one_of_all(address: str) -> str:
    """The address of a step without visits, its own and those of what it lies inside of."""
    return re.sub(r"#\d+", "", address)


def _check_event(takings: Takings, awaited: Awaited, address: str, log: Log, values: Values) -> None:
    taken = json.loads(values[f"{address}:out"])
    events = [event for _, event in log]
    (place,) = [at for at, event in enumerate(events) if event["id"] == taken["id"]]
    assert taken == events[place], f"{address} took {taken}"
    assert fits(awaited, address, taken, values), f"{address} took {taken}, which does not fit"
    before = takings.taken.setdefault(one_of_all(address), set())
    assert taken["id"] not in before, f"{address} took {taken['id']} a second time"
    older = [event for event in events[: min(place, takings.seen[address])] if fits(awaited, address, event, values)]
    passed = [event["id"] for event in older if event["id"] not in before]
    assert not passed, f"{address} took {taken['id']} and passed over {passed}"
    before.add(taken["id"])


def _check_signal(takings: Takings, awaited: Awaited, address: str, values: Values) -> None:
    taken = json.loads(values[f"{address}:out"])
    assert taken["type"] in awaited.signals, f"{address} took {taken}"
    assert _is_sound(awaited, taken), f"{address} took {taken}"
    assert taken["id"] not in takings.signals, f"{taken['id']} is taken by {takings.signals[taken['id']]} and {address}"
    assert taken["id"] == _kept(takings, awaited, values)[0], f"{address} took {taken['id']}, not the oldest"
    (number,) = [name.removeprefix("signal.") for name in values if _is_signal(name, taken["id"], values)]
    assert values[f"signal_by.{number}"] == address
    takings.signals[taken["id"]] = address


def _kept(takings: Takings, awaited: Awaited, values: Values) -> list[str]:
    """The signals that fit and that no step has taken, oldest first."""
    numbers = range(1, int(values.get("signals", "0")) + 1)
    kept = [json.loads(values[f"signal.{number}"]) for number in numbers]
    fitting = [one["id"] for one in kept if one["type"] in awaited.signals and _is_sound(awaited, one)]
    return [one for one in fitting if one not in takings.signals]


def _is_signal(name: str, signal_id: str, values: Values) -> bool:
    return name.startswith("signal.") and json.loads(values[name])["id"] == signal_id


def _is_sound(awaited: Awaited, event: Event) -> bool:
    """Whether the data are as the schema says: the tests' schemas only set a maximum."""
    most = 1_000 if awaited.data_schema is None else awaited.data_schema["properties"]["n"]["maximum"]
    return bool(event["data"]["n"] <= most)


def _awaited(plan: Plan, address: str) -> Awaited | None:
    if is_drain(address) or is_lane(address) or is_undo(address):
        return None
    return node_at(plan, address).awaited
