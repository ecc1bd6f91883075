"""Words that several parts of the surface take."""

from __future__ import annotations

from datetime import datetime, timedelta

Moment = datetime | timedelta | str
"""A moment (without an offset: UTC), or how long ago: `2026-01-31T12:00:00Z`, `2026-01-31`, `90m`."""
ALL = "all"
"""In place of an id: every one of those that were given up."""
