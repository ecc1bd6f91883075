"""What a command works with: the settings, the operations of their modules, and a client."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import InvalidInput, InvalidRequest, InvalidSettings, Problem, SpecInvalid
from orchestrator.settings import Settings
from orchestrator.spec.durations import parse_duration
from orchestrator.spec.loader import LoadedSpec, load_path
from orchestrator.spec.operations import OPERATIONS, load_operations


def read_settings() -> Settings:
    """The settings; InvalidSettings names what is wrong with them."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"`{'.'.join(map(str, one['loc']))}`: {one['msg']}" for one in error.errors())
        raise InvalidSettings(f"the settings cannot be used: {wrong}") from error
    except ValueError as error:  # a file that is no TOML, a variable that is no JSON
        raise InvalidSettings(f"the settings cannot be read: {error}") from error


def connect() -> RedisOrchestrator:
    """A client of what the settings name."""
    settings = read_settings()
    try:
        return RedisOrchestrator.connect(settings=settings)
    except ValueError as error:
        raise InvalidSettings(f"{settings.redis_url!r} is not the URL of a Redis: {error}") from error


def import_operations(settings: Settings) -> None:
    """Load the modules of the setting `operations`; InvalidSettings if one cannot be imported."""
    for module in settings.operations:
        try:
            load_operations([module])
        except ImportError as error:
            raise InvalidSettings(
                f"module {module!r} of the setting `operations` cannot be imported: {error}", module=module
            ) from error


def load_specs(paths: Sequence[Path]) -> list[LoadedSpec]:
    """Every workflow of these files and folders; SpecInvalid lists the problems of all of them."""
    loaded: list[LoadedSpec] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            loaded += load_path(path, OPERATIONS)
        except SpecInvalid as error:
            problems += error.problems
    if problems:
        raise SpecInvalid(problems)
    return loaded


def json_argument(text: str, name: str) -> Any:
    """The value of an option that takes JSON, `@file`, or `-` for stdin; InvalidInput if it is none."""
    try:
        if text == "-":
            source = sys.stdin.read()
        elif text.startswith("@"):
            source = Path(text[1:]).read_text(encoding="utf-8")
        else:
            source = text
        return json.loads(source)
    except OSError as error:
        raise InvalidInput(f"{name}: {text[1:]} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{name} is not JSON: {error}") from error


def object_argument(text: str, name: str) -> dict[str, Any]:
    """The value of an option that takes a JSON object, written as `json_argument` reads it."""
    value = json_argument(text, name)
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} is not a JSON object")
    return value


def seconds_argument(text: str | None, name: str) -> float | None:
    """The seconds of an option that takes a duration such as `30s`."""
    if text is None:
        return None
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}") from error
