"""How operations behave: what they do outside, and what they tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.engine.outcome import Failure, Outcome, Success


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What an operation does outside, and what it tells."""

    happens: bool
    tells: str
    """`ok`, or the code that it fails with."""
    retryable: bool = True
    reported: bool = True
    returned: bool = False

    def outcome(self, output: str, *, writes: bool) -> Outcome:
        """What the executor makes of it; an exception of an operation without an effect is harmless."""
        if self.tells == "ok":
            return Success(output)
        reported = self.reported or not writes
        return Failure(self.tells, retryable=self.retryable, reported=reported, returned=self.returned)


OK = Behaviour(happens=True, tells="ok")
DECLINES = Behaviour(happens=False, tells="declined")
REFUSES = Behaviour(happens=False, tells="refused", retryable=False)
BREAKS_OFF = Behaviour(happens=True, tells="ConnectionError", reported=False)
NEVER_CONNECTS = Behaviour(happens=False, tells="ConnectionError", reported=False)
RETURNS_RUBBISH = Behaviour(happens=True, tells="invalid_output", retryable=False, returned=True)
OVERRUNS = Behaviour(happens=True, tells="step_timeout", reported=False)


@dataclass(slots=True)
class Trial:
    """One execution of an operation: what the world knows of it, whatever the run knows."""

    address: str
    token: str
    number: int
    key: str
    outcome: Outcome
    inputs: Any = None
    told: bool = False
    """Whether the outcome has reached the state, as the settle or late."""
    late: bool = False

    @property
    def denied(self) -> bool:
        """Whether the run was told that nothing happened."""
        return self.told and isinstance(self.outcome, Failure) and self.outcome.reported and not self.outcome.returned
