"""Finding the flow to test."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import define_workflow
from orchestrator.errors import SpecInvalid, VersionConflict
from orchestrator.testing import Harness, ok

YAML = """
meta: {{key: {key}, version: 1.0.0}}
steps: [{{id: a, operation: do.one}}]
"""


def test_a_file_with_several_workflows_wants_a_key(harness: Harness, tmp_path: Path) -> None:
    """The complaint names them."""
    file = tmp_path / "two.yaml"
    file.write_text("---".join(YAML.format(key=key) for key in ("test.one", "test.two")))

    with pytest.raises(ValueError, match=r"test\.one, test\.two"):
        harness(file)

    assert harness(file, "test.two").script("a", ok()).run().status == "completed"


def test_a_version_has_one_content(harness: Harness) -> None:
    """The same again is the same flow."""
    meta = {"key": "test.flow", "version": "1.0.0"}
    one, two = (define_workflow(meta=meta, steps=[{"id": step, "operation": "do.one"}]) for step in "ab")

    assert harness(one) is harness(one)
    with pytest.raises(VersionConflict):
        harness(two)


def test_a_spec_with_errors_is_refused(harness: Harness, tmp_path: Path) -> None:
    """As it is by `publish`."""
    (tmp_path / "bad.yaml").write_text("meta: {key: test.flow, version: 1.0.0}\nsteps: [{id: a}]")

    with pytest.raises(SpecInvalid):
        harness(tmp_path / "bad.yaml")
