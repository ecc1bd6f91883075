"""Whether a failed attempt is tried again, and after how long."""

from __future__ import annotations

from orchestrator.engine.outcome import UNRETRIED, Failure
from orchestrator.plan.graph import RetryPolicy

MAX_LOSSES = 2
"""How often one attempt is taken up again after its worker was lost."""


def backoff_ms(policy: RetryPolicy, attempt: int, chance: float) -> int:
    """The delay after attempt number `attempt` (from 1); `chance` in [0, 1) is the draw for the jitter.

    constant: delay; linear: delay * n; exponential: delay * multiplier ** (n - 1); all capped at max_delay. Full
    jitter takes a share of it, a jitter of so long adds up to that.
    """
    if policy.backoff == "constant":
        delay = float(policy.delay_ms)
    elif policy.backoff == "linear":
        delay = float(policy.delay_ms * attempt)
    else:
        delay = policy.delay_ms * policy.multiplier ** min(attempt - 1, 64)
    delay = min(delay, policy.max_delay_ms)
    if policy.full_jitter:
        delay *= chance
    return round(delay + policy.jitter_ms * chance)


def allows(policy: RetryPolicy, failure: Failure, attempt: int) -> bool:
    """Whether the policy has another attempt for this failure of attempt number `attempt`."""
    if not failure.retryable or failure.code in UNRETRIED or failure.code in policy.give_up_on:
        return False
    if policy.retry_on is not None and failure.code not in policy.retry_on:
        return False
    return attempt < policy.max_attempts


def delay_ms(policy: RetryPolicy, failure: Failure, attempt: int, chance: float) -> int:
    """The delay before the next attempt: what the failure asks for, else the policy's."""
    return backoff_ms(policy, attempt, chance) if failure.retry_after_ms is None else failure.retry_after_ms


def outlasts(policy: RetryPolicy, *, first_ms: int, at_ms: int) -> bool:
    """Whether `max_elapsed` forbids an attempt at that moment."""
    return policy.max_elapsed_ms is not None and at_ms >= first_ms + policy.max_elapsed_ms
