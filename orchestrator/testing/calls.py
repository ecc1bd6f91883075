"""What tests ask about the calls that a run made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from orchestrator.engine.address import is_undo, parse_address, undo_of


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation, whatever came of it."""

    run_id: str
    address: str
    operation: str
    """Its key, without the major version."""
    attempt: int
    """Which attempt of the step it belongs to, from 1; a lost worker's attempt is taken up again as the same."""
    input: Any
    idempotency_key: str
    at: timedelta
    """When it began, since the first moment of the harness."""


def step_name(address: str) -> str:
    """The id of the step at an address, in whichever item, branch or visit; of an undo, with its `~`."""
    step = parse_address(address).step
    return undo_of(step) if is_undo(address) else step


def names(target: str, address: str, operation: str = "") -> bool:
    """Whether a target (an address, a step id or an operation key) means that call."""
    return target in (address, step_name(address), operation)
