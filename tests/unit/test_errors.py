"""The tree of errors: each has a code of its own, says what to do, and decides how a command exits."""

from __future__ import annotations

import json
import pickle
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from orchestrator import errors
from orchestrator.errors import (
    ArchiveOutdated,
    InvalidSettings,
    OperationError,
    OrchestratorError,
    Problem,
    RunOver,
    SpecInvalid,
    UnknownRun,
    Unreachable,
)


def tree(top: type[OrchestratorError] = OrchestratorError) -> Iterator[type[OrchestratorError]]:
    """Every class of the module, from the top down."""
    yield top
    for below in top.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


@pytest.mark.parametrize("kind", list(tree()))
def test_each_error_has_a_code_and_says_what_it_means(kind: type[OrchestratorError]) -> None:
    """Of its own, not its parent's; the docstring is what is shown without a message."""
    assert "code" in vars(kind)
    assert kind.__doc__
    assert kind.code.replace("_", "").isalpha()


def test_no_two_errors_have_the_same_code() -> None:
    """A code says which it was."""
    counted = Counter(kind.code for kind in tree())

    assert [code for code, count in counted.items() if count > 1] == []


def test_the_drawn_tree_is_the_tree() -> None:
    """Every class is in the module's docstring, and no other."""
    drawn = re.findall(r"── (\w+)", errors.__doc__ or "")

    assert sorted(drawn) == sorted(kind.__name__ for kind in tree() if kind is not OrchestratorError)


@pytest.mark.parametrize("kind", list(tree()))
def test_a_command_exits_with_1_but_for_settings_and_unreachable_servers(kind: type[OrchestratorError]) -> None:
    """Scripts tell apart what to mend: the request, the settings, the servers."""
    assert kind.exit_code == {InvalidSettings: 2, Unreachable: 3, ArchiveOutdated: 3}.get(kind, 1)


def test_an_error_without_a_message_says_its_docstring() -> None:
    """Which says what to do."""
    assert str(RunOver()) == "The run has ended, so it takes no more of this."


def test_an_error_is_json() -> None:
    """As `--json` prints it."""
    error = UnknownRun("no run has the id 'x'", run_id="x")

    assert json.loads(json.dumps(error.as_dict())) == {
        "code": "unknown_run",
        "message": "no run has the id 'x'",
        "details": {"run_id": "x"},
    }


def test_an_invalid_spec_lists_every_problem_with_its_place() -> None:
    """A line each, as a compiler does."""
    placed = Problem("one", "Wrong.", path="steps[0]", file="a.yaml", line=2, column=5)
    error = SpecInvalid([placed, Problem("two", "Bad.")])

    assert error.message.splitlines() == ["a.yaml:2:5: error: Wrong. (at steps[0]) [one]", "error: Bad. [two]"]
    assert error.details["problems"] == error.message.splitlines()


def test_an_operations_error_survives_pickling() -> None:
    """Celery carries it from one process to another."""
    error = OperationError(
        "busy", "Try later.", retryable=False, retry_after=2.5, outcome="unknown", details={"queue": 7}
    )

    copy = pickle.loads(pickle.dumps(error))

    assert vars(copy) == vars(error)
    assert str(copy) == "Try later."


def test_an_operations_error_has_a_code_of_its_own() -> None:
    """On the instance; the class's stays. Without a message, the code is one."""
    error = OperationError("declined")

    assert (error.code, OperationError.code, error.message) == ("declined", "operation_error", "declined")
    assert (error.retryable, error.outcome, error.retry_after) == (True, "failed", None)
