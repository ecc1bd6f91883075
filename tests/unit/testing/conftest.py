"""Flows for the tests of the harness: of operations that no module has, so that only scripts say what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orchestrator import define_workflow
from orchestrator.testing import Flow, Harness

FlowOf = Callable[..., Flow]


@pytest.fixture
def flow_of(harness: Harness) -> FlowOf:
    """Makes the flow of a workflow of these steps."""

    def make(*steps: Mapping[str, Any], **workflow: Any) -> Flow:
        return harness(define_workflow(meta={"key": "test.flow", "version": "1.0.0"}, steps=steps, **workflow))

    return make
