"""Operations without a world around them, for the specs that show one pattern each."""

from __future__ import annotations

from pydantic import Field

from orchestrator import OperationError, StepContext, operation
from workers.operations.model import OperationModel


class Text(OperationModel):
    """A text."""

    text: str


class Parts(OperationModel):
    """Texts to put together."""

    parts: list[str] = Field(min_length=1)
    separator: str = " "


class UnstableRequest(OperationModel):
    """How a call shall go: it fails `failures` times with `code`, then succeeds."""

    failures: int = Field(0, ge=0)
    code: str = "unavailable"


class UnstableAnswer(OperationModel):
    """The attempt that succeeded."""

    attempt: int


@operation("text.upper", version="1.0.0", effect="none")
def UpperText(given: Text) -> Text:
    """Put a text in capitals."""
    return Text(text=given.text.upper())


@operation("text.join", version="1.0.0", effect="none")
def JoinText(given: Parts) -> Text:
    """Put texts together, `separator` between them."""
    return Text(text=given.separator.join(given.parts))


@operation("unstable.call", version="1.0.0", effect="none", errors=["unavailable", "bad_request"])
def CallUnstable(request: UnstableRequest, context: StepContext) -> UnstableAnswer:
    """Fail on the first attempts, as a service does that comes back."""
    if context.attempt <= request.failures:
        raise OperationError(request.code, f"Attempt {context.attempt} of {request.failures} that fail.")
    return UnstableAnswer(attempt=context.attempt)
