"""Flights, hotels and cars, at the pretend provider of `workers.operations.provider`.

Each can be booked and cancelled. A booking is named by the idempotency key that it was made with, so it can be
cancelled without knowing whether it was ever made. There are no cars in Atlantis.
"""

from __future__ import annotations

from pydantic import Field

from orchestrator import OperationError, StepContext, operation
from workers.operations.model import OperationModel
from workers.operations.provider import Provider, Refused, Service

_BOOK_ERRORS = ["already_cancelled", "sold_out"]


class BookingRequest(OperationModel):
    """Who goes where."""

    city: str = Field(min_length=1)
    traveller: str = Field(min_length=1)


class BookingMade(OperationModel):
    """A booking that holds until it is cancelled by its key."""

    booking_key: str
    city: str


class CancelRequest(OperationModel):
    """The key of the booking: its idempotency key."""

    booking_key: str = Field(min_length=1)


class BookingCancelled(OperationModel):
    """`existed` is false if there was nothing to cancel; a booking of that key that comes later is refused."""

    booking_key: str
    existed: bool


@operation("flights.book", version="1.0.0", effect="write", idempotent=True, errors=_BOOK_ERRORS)
def BookFlight(request: BookingRequest, context: StepContext) -> BookingMade:
    """Book a seat."""
    return _book("flight", request, context)


@operation("flights.cancel", version="1.0.0", effect="write", idempotent=True)
def CancelFlight(request: CancelRequest, context: StepContext) -> BookingCancelled:
    """Give a seat back."""
    return _cancel(request, context)


@operation("hotels.book", version="1.0.0", effect="write", idempotent=True, errors=_BOOK_ERRORS)
def BookHotel(request: BookingRequest, context: StepContext) -> BookingMade:
    """Book a room."""
    return _book("hotel", request, context)


@operation("hotels.cancel", version="1.0.0", effect="write", idempotent=True)
def CancelHotel(request: CancelRequest, context: StepContext) -> BookingCancelled:
    """Give a room back."""
    return _cancel(request, context)


@operation("cars.book", version="1.0.0", effect="write", idempotent=True, errors=_BOOK_ERRORS)
def BookCar(request: BookingRequest, context: StepContext) -> BookingMade:
    """Book a car."""
    return _book("car", request, context)


@operation("cars.cancel", version="1.0.0", effect="write", idempotent=True)
def CancelCar(request: CancelRequest, context: StepContext) -> BookingCancelled:
    """Give a car back."""
    return _cancel(request, context)


def _book(service: Service, request: BookingRequest, context: StepContext) -> BookingMade:
    provider, key = Provider.from_environment(), context.idempotency_key
    try:
        booking = provider.book(key, service, request.city, request.traveller, context.attempt)
    except Refused as refusal:
        raise OperationError(refusal.code, retryable=refusal.transient) from refusal
    return BookingMade(booking_key=booking.key, city=booking.city)


def _cancel(request: CancelRequest, context: StepContext) -> BookingCancelled:
    existed = Provider.from_environment().cancel(request.booking_key, context.attempt)
    return BookingCancelled(booking_key=request.booking_key, existed=existed)
