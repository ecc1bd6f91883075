"""Runs specs in one process, on a virtual clock, with scripted operations: no Redis, no Celery, milliseconds a run.

The pytest plugin gives tests the fixture `harness`.
"""

from orchestrator.testing.calls import Call
from orchestrator.testing.complaints import InvalidScript, NothingMoves, UnexpectedCall, UnusedScripts
from orchestrator.testing.flow import Flow
from orchestrator.testing.harness import Harness
from orchestrator.testing.run import Run
from orchestrator.testing.scripts import (
    Action,
    always,
    delay,
    doubled,
    effect_then_crash,
    fail,
    ok,
    raises,
    real,
    worker_lost,
)

__all__ = [
    "Action",
    "Call",
    "Flow",
    "Harness",
    "InvalidScript",
    "NothingMoves",
    "Run",
    "UnexpectedCall",
    "UnusedScripts",
    "always",
    "delay",
    "doubled",
    "effect_then_crash",
    "fail",
    "ok",
    "raises",
    "real",
    "worker_lost",
]
