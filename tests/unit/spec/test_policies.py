from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestrator.spec.fields import BareMilliseconds, Duration
from orchestrator.spec.policies import Limit, Retry, RunCompensation, Sla


@pytest.mark.parametrize("written", [90_000, "90s", "1m30s", "PT1M30S", timedelta(seconds=90)])
def test_every_form_of_a_duration_is_the_same_time_and_the_same_json(written: Any) -> None:
    """A timedelta inside, whole milliseconds in JSON."""
    retry = Retry(max_attempts=2, delay=written)

    assert retry.delay == timedelta(seconds=90)
    assert retry.model_dump(mode="json")["delay"] == 90_000


def test_bare_integer_under_a_second_is_marked() -> None:
    """So that the lint can warn about it; a text or a longer time is not."""
    adapter = TypeAdapter(Duration)

    assert isinstance(adapter.validate_python(30), BareMilliseconds)
    assert not isinstance(adapter.validate_python("30ms"), BareMilliseconds)
    assert not isinstance(adapter.validate_python(1000), BareMilliseconds)


def test_retry_needs_its_attempts_and_has_the_documented_defaults() -> None:
    """Exponential from one second, doubling, to five minutes, without jitter."""
    retry = Retry(max_attempts=3)

    assert (retry.backoff, retry.jitter, retry.multiplier) == ("exponential", "none", 2)
    assert (retry.delay, retry.max_delay) == (timedelta(seconds=1), timedelta(minutes=5))
    with pytest.raises(ValidationError, match="max_attempts"):
        Retry.model_validate({})


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": True},
        {"max_attempts": 2, "backoff": "fast"},
        {"max_attempts": 2, "multiplier": 0.5},
        {"max_attempts": 2, "multiplier": float("nan")},
        {"max_attempts": 2, "delay": -1},
        {"max_attempts": 2, "max_elapsed": 0},
        {"max_attempts": 2, "jitter": "some"},
    ],
)
def test_retry_refuses_what_makes_no_sense(wrong: dict[str, Any]) -> None:
    """Each by itself."""
    with pytest.raises(ValidationError):
        Retry(**wrong)


@pytest.mark.parametrize(("written", "stored"), [("none", "none"), ("full", "full"), ("250ms", 250), (2000, 2000)])
def test_jitter_is_none_full_or_a_duration(written: Any, stored: Any) -> None:
    """The duration is what is added at most."""
    assert Retry(max_attempts=2, jitter=written).model_dump(mode="json")["jitter"] == stored


@pytest.mark.parametrize(("written", "stored"), [("80%", "80%"), ("20s", 20_000), ("100%", "100%")])
def test_sla_warns_at_a_duration_or_a_share(written: str, stored: Any) -> None:
    """A share is kept as it is written."""
    assert Sla(max_duration="1m", warn_at=written).model_dump(mode="json")["warn_at"] == stored


def test_sla_cannot_warn_after_more_than_the_whole() -> None:
    """Over 100% is no share."""
    with pytest.raises(ValidationError, match="warn_at"):
        Sla(max_duration="1m", warn_at="120%")


def test_undo_is_tried_five_times_by_default() -> None:
    """Exponential from a second to a minute, ten minutes each, also after a cancel."""
    policy = RunCompensation()

    assert (policy.trigger, policy.on_cancel, policy.timeout) == ("automatic", True, timedelta(minutes=10))
    assert policy.retry == Retry(max_attempts=5, backoff="exponential", delay="1s", max_delay="1m")


@pytest.mark.parametrize("rate", ["10/s", "500/m", "3/15m", "1/d"])
def test_rate_is_so_many_in_a_time(rate: str) -> None:
    """With or without a number before the unit."""
    assert Limit(key="all", rate=rate).rate == rate


@pytest.mark.parametrize("rate", ["10", "0/s", "10/y", "/s", "ten/s"])
def test_anything_else_is_no_rate(rate: str) -> None:
    """The message shows how one is written."""
    with pytest.raises(ValidationError, match="is not a rate; write `10/s`"):
        Limit(key="all", rate=rate)
