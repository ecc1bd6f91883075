"""A fleet on one machine: a Redis of our own, workers, beat, listener as child processes; for `dev`, demo and tests."""

from orchestrator.local.commands import api_command, beat_command, environment, listener_command, worker_command
from orchestrator.local.labels import labelled
from orchestrator.local.processes import Fleet, ManagedProcess, OnLine
from orchestrator.local.redis_server import LocalRedis

__all__ = [
    "Fleet",
    "LocalRedis",
    "ManagedProcess",
    "OnLine",
    "api_command",
    "beat_command",
    "environment",
    "labelled",
    "listener_command",
    "worker_command",
]
