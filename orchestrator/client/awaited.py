"""What a step waits for, and what nearly was it, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final


def waited_for(terms: Mapping[str, Any]) -> str:
    """As a step's description has it: `event order.shipped from /carrier of 17`, `signal go or halt`."""
    if "signals" in terms:
        return signals(terms["signals"])
    if "mode" in terms:
        return f"a decision by {people(terms)}"
    source = f" from {terms['source']}" if "source" in terms else ""
    value = f" of {_plain(terms['correlation'])}" if "correlation" in terms else ""
    condition = f" where {terms['filter']}" if "filter" in terms else ""
    return f"event {terms['event']}{source}{value}{condition}"


def signals(names: Sequence[str]) -> str:
    """`signal go`, `signal go or halt`."""
    return f"signal {' or '.join(names)}"


def people(terms: Mapping[str, Any]) -> str:
    """`ann, bob or group board`: who is asked, by name and by group."""
    named = [*terms.get("users", ()), *(f"group {group}" for group in terms.get("groups") or ())]
    *others, last = named
    return f"{', '.join(others)} or {last}" if others else str(last)


def missed(near: Mapping[str, Any]) -> str:
    """Why the latest event of the right type was not for the step."""
    return f"not event {near['event']}: {_WHY[near['part']](_plain(near['wanted']), _plain(near['found']))}"


_WHY: Final[Mapping[str, Callable[[str, str], str]]] = {
    "source": lambda wanted, found: f"it is from {found}, not {wanted}",
    "correlation": lambda wanted, found: f"it is of {found}, not of {wanted}",
    "filter": lambda wanted, found: f"{wanted} is {found}",
    "data": lambda _, found: f"its data: {found}",
}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
