from __future__ import annotations

import pytest

from orchestrator import OperationError, StepContext
from workers.operations.provider import Provider
from workers.operations.travel import (
    BookCar,
    BookFlight,
    BookHotel,
    BookingRequest,
    CancelCar,
    CancelFlight,
    CancelHotel,
    CancelRequest,
)

PAIRS = [(BookFlight, CancelFlight, "flight"), (BookHotel, CancelHotel, "hotel"), (BookCar, CancelCar, "car")]


@pytest.mark.parametrize(("book", "cancel", "service"), PAIRS)
def test_a_booking_is_made_once_and_cancelled_by_its_key(
    book: object, cancel: object, service: str, context: StepContext, provider: Provider
) -> None:
    """Booking twice with one key books once; the key cancels it."""
    assert callable(book)
    assert callable(cancel)
    made = [book(BookingRequest(city="Rome", traveller="Ada"), context) for _ in range(2)]

    answer = cancel(CancelRequest(booking_key=made[0].booking_key), context)

    assert made[0] == made[1]
    assert answer.existed
    assert [(one.service, one.city, one.cancelled) for one in provider.bookings()] == [(service, "Rome", True)]


def test_no_car_is_left_in_atlantis(context: StepContext, provider: Provider) -> None:
    """Flights go there and hotels have rooms; the car fails for good, with nothing booked."""
    with pytest.raises(OperationError) as failure:
        BookCar(BookingRequest(city="Atlantis", traveller="Ada"), context)

    assert (failure.value.code, failure.value.retryable, failure.value.outcome) == ("sold_out", False, "failed")
    assert provider.bookings() == []


def test_cancelling_what_was_never_booked_succeeds(context: StepContext) -> None:
    """An undo of unknown outcome is safe: it says that there was nothing."""
    assert not CancelHotel(CancelRequest(booking_key="never"), context).existed
