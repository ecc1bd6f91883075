"""Where things stand: the dashboard's addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

BASE: Final = "/dashboard"
"""What every address begins with; all others here are below it."""
LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
WORKFLOWS: Final = "/workflows"
FILES: Final = Path(__file__).parent / "assets"


def _digest() -> str:
    """Of all assets, so that a browser may keep them for ever and still never show old ones."""
    files = sorted(FILES.iterdir())
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]


ASSETS: Final = f"/assets/{_digest()}"


def to(path: str, query: Mapping[str, str] | None = None) -> str:
    """The address of a page, with the query's empty values left out."""
    asked = urlencode([(name, value) for name, value in (query or {}).items() if value])
    return f"{BASE}{path}" + (f"?{asked}" if asked else "")


def run_path(run_id: str) -> str:
    """The address of a run's page."""
    return to(f"/runs/{quote(run_id, safe='')}")


def workflow_path(key: str, version: str = "") -> str:
    """The address of a workflow's page."""
    return to(f"/workflows/{quote(key, safe='')}", {"version": version})


def start_path(key: str, version: str = "", **query: str) -> str:
    """The address of the form that starts a run of a workflow."""
    return to(f"/workflows/{quote(key, safe='')}/start", {"version": version, **query})


def diff_path(key: str, before: str = "", after: str = "") -> str:
    """The address of what two versions of a workflow differ in."""
    return to(f"/workflows/{quote(key, safe='')}/diff", {"from": before, "to": after})


def approval_path(run_id: str, step: str) -> str:
    """The address of an open approval."""
    return to(f"/approvals/{quote(run_id, safe='')}/{quote(step, safe='')}")


def schedule_path(workflow: str, name: str, query: Mapping[str, str] | None = None) -> str:
    """The address of a schedule's page."""
    return to(f"/schedules/{quote(workflow, safe='')}/{quote(name, safe='')}", query)


def queue_path(name: str) -> str:
    """The address of a queue's page."""
    return to(f"/queues/{quote(name, safe='')}")


def worker_path(name: str) -> str:
    """The address of a worker's page."""
    return to(f"/workers/{quote(name, safe='@')}")


def alert_path(alert_id: str) -> str:
    """The address of an alert's page."""
    return to(f"/alerts/{quote(alert_id, safe='')}")
