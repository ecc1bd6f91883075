"""A file may hold operations and the workflow that uses them: the layout that a newcomer starts with."""

import secrets
import sys
from pathlib import Path

import pytest

from orchestrator.spec.loader import load_path
from orchestrator.spec.operations import OPERATIONS, load_operations

SOURCE = """
from orchestrator import Meta, Step, define_workflow, operation

@operation("{key}.greet", version="1.0.0", effect="none")
def greet(given: dict[str, str]) -> None:
    pass

Flow = define_workflow(meta=Meta(key="{key}.flow", version="1.0.0"), steps=[Step(id="greet", operation=greet)])
"""


def test_a_file_is_loaded_as_a_spec_and_as_a_module_of_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In either order, as a worker and a publisher do; the operation is the same one."""
    name = f"mod_{secrets.token_hex(4)}"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(key=name))
    monkeypatch.syspath_prepend(tmp_path)

    load_operations([name])
    (loaded,) = load_path(tmp_path / f"{name}.py", OPERATIONS)
    del sys.modules[name]
    load_operations([name])

    assert loaded.problems == ()
    assert f"{name}.greet@1" in OPERATIONS
