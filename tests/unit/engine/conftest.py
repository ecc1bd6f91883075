"""Runs of operations that only scripts know, in the harness's virtual installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orchestrator import define_workflow
from orchestrator.testing import Flow, Harness, always, ok

FlowOf = Callable[..., Flow]


@pytest.fixture
def flow_of(harness: Harness) -> FlowOf:
    """Makes the flow of a workflow of these steps."""

    def make(*steps: Mapping[str, Any], **workflow: Any) -> Flow:
        return harness(define_workflow(meta={"key": "test.flow", "version": "1.0.0"}, steps=steps, **workflow))

    return make


def step(name: str, **more: Any) -> dict[str, Any]:
    """A step that writes."""
    return {"id": name, "operation": f"do.{name}", **more}


def undoable(name: str, **more: Any) -> dict[str, Any]:
    """A step that writes and can be undone."""
    return step(name, compensation=f"undo.{name}", **more)


def works(flow: Flow, *targets: str) -> Flow:
    """Let every call of these succeed, unless another script says otherwise."""
    for target in targets:
        flow.script(target, always(ok()))
    return flow
