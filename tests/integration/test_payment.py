"""The payment workflow, whole, and the example of each pattern: what they do, as the outside world sees it."""

from typing import Any

import pytest

from orchestrator.errors import RunFailed
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, events, executions, states

pytestmark = pytest.mark.integration


def test_a_payment_is_validated_charged_and_confirmed(system: System) -> None:
    """The good path: one charge, one receipt, nothing undone."""
    run = system.pay("pm_ok")

    shown = ended(run)

    assert (shown.status, shown.compensation) == ("completed", "none")
    assert states(shown) == dict.fromkeys(("validate-payment", "charge-payment", "send-receipt"), "completed")
    assert [charge.amount for charge in system.charges(run)] == [1250]
    assert system.refunds(run) == []


def test_a_declined_card_is_told_to_the_administrators_and_fails_the_run(system: System) -> None:
    """The failure is handled by a notice; the run still fails, with the error that led there, and nothing is undone."""
    run = system.pay("pm_declined")

    shown = ended(run)

    assert (shown.status, shown.compensation, shown.error["code"]) == ("failed", "none", "card_declined")
    assert states(shown)["notify-admin"] == "completed"
    assert (system.charges(run), system.refunds(run)) == ([], [])


def test_a_receipt_that_cannot_be_sent_gives_the_money_back(system: System) -> None:
    """An unhandled failure after the charge undoes the charge, once."""
    run = system.pay("pm_ok", email="nobody@invalid")

    shown = ended(run)

    assert (shown.status, shown.compensation, shown.error["code"]) == ("failed", "completed", "invalid_recipient")
    assert [refund.charge_id for refund in system.refunds(run)] == [charge.id for charge in system.charges(run)]
    assert len(system.charges(run)) == 1


def test_an_expired_method_is_told_to_the_user_and_never_charged(system: System) -> None:
    """The failure path of the first step; retries do not help."""
    run = system.pay("pm_expired")

    shown = ended(run)

    assert (shown.status, shown.error["code"]) == ("failed", "method_expired")
    assert states(shown)["notify-user"] == "completed"
    assert system.calls(run, "charge") == []


def test_a_provider_that_comes_back_is_asked_again(system: System) -> None:
    """Retries of a step are attempts with one key."""
    run = system.pay("pm_flaky_validate_1")

    shown = ended(run)

    assert shown.status == "completed"
    assert [call.attempt for call in system.calls(run, "validate")] == [1, 2]
    assert len({call.key for call in system.calls(run, "validate")}) == 1


def test_a_refund_that_is_refused_leaves_the_compensation_failed(system: System) -> None:
    """The run says that it could not give the money back."""
    run = system.pay("pm_norefund", email="nobody@invalid")

    shown = ended(run)

    assert (shown.status, shown.compensation) == ("failed", "failed")
    assert states(shown)["charge-payment~"] == "failed"


@pytest.mark.parametrize(
    ("workflow", "given", "output"),
    [
        ("sequence", {"name": "Ada"}, {"text": "Hello, ADA"}),
        ("branch", {"name": "Ada", "language": "de"}, {"text": "Guten Tag, Ada"}),
        ("branch", {"name": "Ada", "language": "fr-CH"}, {"text": "Bonjour, Ada"}),
        ("branch", {"name": "Ada"}, {"text": "Hello, Ada"}),
        ("retry-ladder", {}, {"text": "answered at attempt 3"}),
        ("retry-ladder", {"failures": 9}, {"text": "not answered: unavailable"}),
        ("wait", {"text": "tea"}, {"text": "REMEMBER: TEA"}),
    ],
)
def test_an_example_does_what_it_says(system: System, workflow: str, given: Any, output: Any) -> None:
    """Each pattern of `specs/`, with its outcome."""
    run = system.client.start(f"examples.{workflow}", given)

    assert run.result(20.0) == output
    assert ended(run).status == "completed"


def test_an_error_that_is_given_up_on_is_not_tried_again(system: System) -> None:
    """A bad request ends the retry ladder at its first step."""
    run = system.client.start("examples.retry-ladder", {"failures": 9, "code": "bad_request"})

    with pytest.raises(RunFailed, match="bad_request"):
        run.result(20.0)

    assert executions(run) == ["call"]


def test_a_trip_is_booked_whole(system: System) -> None:
    """Three bookings, named by the output; none cancelled."""
    run = system.client.start("examples.trip-saga", {"city": "Rome", "traveller": "Ada"})

    output = run.result(20.0)

    held = {booking.service: booking.key for booking in system.provider.bookings() if not booking.cancelled}
    assert {service: held[service] for service in ("flight", "hotel", "car")} == output


def test_a_trip_that_cannot_be_whole_is_cancelled_newest_first(system: System) -> None:
    """There are no cars in Atlantis: hotel, then flight are given back."""
    run = system.client.start("examples.trip-saga", {"city": "Atlantis", "traveller": "Ada"})

    shown = ended(run)

    assert (shown.status, shown.compensation, shown.error["code"]) == ("failed", "completed", "sold_out")
    cancelled = [call.key.split(":")[1] for call in system.calls(run, "cancel")]
    assert cancelled == ["hotel", "flight"]
    assert executions(run) == ["flight", "hotel", "car", "hotel~", "flight~"]
    assert events(run, "compensation_started")[0]["undo"] == ["hotel~", "flight~"]


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_every_pool_runs_the_payment(make_system: MakeSystem, pool: str) -> None:
    """Workers of threads and of a single process do what those of children do; no beat is needed for it."""
    system = make_system()
    system.publish()
    system.start_worker(pool=pool)
    system.ready()

    paid, refunded = system.pay("pm_ok"), system.pay("pm_ok", email="nobody@invalid")

    assert ended(paid).status == "completed"
    assert ended(refunded).compensation == "completed"
    assert [len(system.charges(run)) for run in (paid, refunded)] == [1, 1]
