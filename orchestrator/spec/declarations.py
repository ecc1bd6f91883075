"""What the declaration of an operation must say, checked where it is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import semver

from orchestrator.spec.durations import Duration, parse_duration


def checked_version(key: str, version: str) -> str:
    """The version in semver's form; ValueError if it is none."""
    try:
        return str(semver.Version.parse(version))
    except (TypeError, ValueError):
        raise ValueError(f"{key}: {version!r} is not a version; write it as `1.0.0`") from None


def checked_codes(key: str, errors: Iterable[str]) -> tuple[str, ...]:
    """The codes of errors; ValueError if a text stands where a list should."""
    codes = tuple(errors)
    if codes and codes == tuple(str(errors)):
        raise ValueError(f"{key}: errors is a list of codes; write errors=[{errors!r}]")
    return codes


def checked_timeout(key: str, timeout: Duration | None) -> timedelta | None:
    """The duration; ValueError if it is none, or leaves no time."""
    duration = None if timeout is None else parse_duration(timeout)
    if duration == timedelta(0):
        raise ValueError(f"{key}: a timeout of 0 leaves no time to run")
    return duration


def check_parameters(key: str, function: Callable[..., Any]) -> None:
    """ValueError unless the function takes an input and, if it wants to, a context."""
    parameters = list(inspect.signature(function).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(parameters) not in (1, 2) or any(one.kind not in positional for one in parameters):
        raise ValueError(f"{key}: the function takes its input and, if it wants to, a StepContext; nothing else")
