"""Semantic versions: which fit a requirement, and which of several is the latest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from semver import Version

LATEST: Final = "latest"
STABLE: Final = "stable"
DEPRECATED: Final = "deprecated"


def parse_version(text: str) -> Version:
    """The version that `text` says, in semver's order; ValueError if it is none."""
    try:
        return Version.parse(text)
    except (TypeError, ValueError):
        raise ValueError(f"`{text}` is not a semantic version; write it as `1.2.0`") from None


def is_version(text: str) -> bool:
    """True of `1.2.0` and `1.2.0-rc.1`."""
    return Version.is_valid(text)


def is_prerelease(text: str) -> bool:
    """True of `1.2.0-rc.1`."""
    return parse_version(text).prerelease is not None


def is_requirement(text: str) -> bool:
    """True of what a child may ask for: `latest`, `1.2.0`, `^1.2.0`."""
    return text == LATEST or is_version(text.removeprefix("^"))


def is_range(text: str) -> bool:
    """True of `^1.2.0`."""
    return text.startswith("^") and is_version(text[1:])


def satisfies(version: str, requirement: str) -> bool:
    """Whether `version` is in the range `^1.2.0` (the first number that is not 0 stays), or is the exact `1.2.0`."""
    candidate, wanted = parse_version(version), parse_version(requirement.removeprefix("^"))
    if not requirement.startswith("^"):
        return candidate == wanted
    if candidate.prerelease and candidate.finalize_version() != wanted.finalize_version():
        return False
    numbers = wanted.to_tuple()[:3]
    kept = next((place for place, number in enumerate(numbers) if number), 2) + 1
    return candidate >= wanted and candidate.to_tuple()[:kept] == wanted.to_tuple()[:kept]


def latest_stable(versions: Mapping[str, str]) -> str | None:
    """The highest of the versions (each with its stability) that is `stable` and no prerelease; None without one."""
    eligible = [text for text, stability in versions.items() if stability == STABLE and not is_prerelease(text)]
    return max(eligible, key=parse_version, default=None)
