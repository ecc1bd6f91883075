from __future__ import annotations

import pytest

from orchestrator.engine.outcome import UNRETRIED, Failure
from orchestrator.engine.retries import allows, backoff_ms, delay_ms, outlasts
from orchestrator.plan.graph import RetryPolicy

DECLINED = Failure("declined")


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(backoff="constant", delay_ms=500), [500, 500, 500, 500]),
        (RetryPolicy(backoff="linear", delay_ms=500), [500, 1_000, 1_500, 2_000]),
        (RetryPolicy(delay_ms=500), [500, 1_000, 2_000, 4_000]),
        (RetryPolicy(delay_ms=500, multiplier=3.0), [500, 1_500, 4_500, 13_500]),
        (RetryPolicy(delay_ms=500, multiplier=1.0), [500, 500, 500, 500]),
        (RetryPolicy(delay_ms=500, max_delay_ms=1_200), [500, 1_000, 1_200, 1_200]),
        (RetryPolicy(backoff="linear", delay_ms=500, max_delay_ms=1_200), [500, 1_000, 1_200, 1_200]),
        (RetryPolicy(delay_ms=0), [0, 0, 0, 0]),
    ],
)
def test_delays_grow_as_the_policy_says(policy: RetryPolicy, delays: list[int]) -> None:
    """After the first, second, third and fourth attempt."""
    assert [backoff_ms(policy, attempt, chance=0.5) for attempt in (1, 2, 3, 4)] == delays


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 0), (0.25, 250), (0.999, 999)])
def test_full_jitter_takes_a_share_of_the_delay(chance: float, delay: int) -> None:
    """Anything from nothing to the whole."""
    assert backoff_ms(RetryPolicy(delay_ms=1_000, full_jitter=True), 1, chance) == delay


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 1_000), (0.5, 1_100), (0.999, 1_200)])
def test_a_jitter_of_so_long_is_added(chance: float, delay: int) -> None:
    """To the delay, even where that is at its maximum."""
    assert backoff_ms(RetryPolicy(delay_ms=5_000, max_delay_ms=1_000, jitter_ms=200), 1, chance) == delay


def test_the_thousandth_attempt_has_a_delay() -> None:
    """No power grows past what a number can hold."""
    assert backoff_ms(RetryPolicy(delay_ms=1_000, multiplier=10.0), 1_000, 0.0) == 300_000


def test_attempts_are_counted_with_the_first() -> None:
    """Of three attempts, the first and the second may be followed by another."""
    policy = RetryPolicy(max_attempts=3)

    assert [allows(policy, DECLINED, attempt) for attempt in (1, 2, 3, 4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("failure", "allowed"),
    [
        (DECLINED, True),
        (Failure("declined", retryable=False), False),
        (Failure("fraud"), False),
        (Failure("other"), False),
        (Failure("step_timeout"), True),
    ],
)
def test_a_policy_says_which_codes_it_is_for(failure: Failure, allowed: bool) -> None:
    """`retry_on` names what is tried again, `give_up_on` what is not, the failure itself has the last word."""
    policy = RetryPolicy(
        max_attempts=2, retry_on=frozenset({"declined", "fraud", "step_timeout"}), give_up_on=frozenset({"fraud"})
    )

    assert allows(policy, failure, 1) is allowed


@pytest.mark.parametrize("code", sorted(UNRETRIED))
def test_codes_of_ours_that_no_policy_retries(code: str) -> None:
    """Not even one that names them."""
    assert not allows(RetryPolicy(max_attempts=9, retry_on=frozenset({code})), Failure(code), 1)


def test_the_delay_that_a_failure_asks_for_replaces_the_policys() -> None:
    """Beyond the policy's maximum if need be; none at all is one too."""
    policy = RetryPolicy(delay_ms=1_000, max_delay_ms=2_000)

    asked = [delay_ms(policy, Failure("busy", retry_after_ms=ms), 1, 0.0) for ms in (None, 0, 60_000)]

    assert asked == [1_000, 0, 60_000]


def test_no_attempt_starts_at_the_limit_or_later() -> None:
    """`max_elapsed` counts from the start of the first attempt."""
    policy = RetryPolicy(max_elapsed_ms=10_000)

    assert [outlasts(policy, first_ms=1_000, at_ms=at_ms) for at_ms in (10_999, 11_000, 11_001)] == [False, True, True]
    assert not outlasts(RetryPolicy(), first_ms=0, at_ms=10**12)
