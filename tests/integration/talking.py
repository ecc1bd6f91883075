"""Operations that write to the log in every way that there is."""

import logging

import structlog

from orchestrator import OperationError, StepContext, operation


@operation("talking.say", version="1.0.0", effect="none")
def say(given: dict[str, str], context: StepContext) -> dict[str, str]:
    """Say it with our logger, with one of `logging`, and with one of structlog."""
    context.log.info("said", by="context", pin=given["pin"])
    logging.getLogger("talking").info("said", extra={"by": "logging", "pin": given["pin"]})
    structlog.get_logger("talking").info("said", by="structlog", pin=given["pin"])
    return {}


@operation("talking.refuse", version="1.0.0", effect="none", errors=["refused"])
def refuse(given: dict[str, str]) -> dict[str, str]:
    """Refuse it, and say too much."""
    raise OperationError("refused", f"not with {given['pin']}")
