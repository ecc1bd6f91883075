"""Errors as they come out: one table, one form."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.api.problems import STATUSES
from tests.unit.api.conftest import Receive
from tests.unit.surroundings import WORKFLOW

FAULTS = {"payload_lost", "process_failed", "expression_error", "invalid_settings"}
"""Nothing that a caller did: 500."""
NEVER_RAISED_HERE = {"run_failed", "result_timeout", "operation_error", "not_delivered"}
FRAMEWORK = {"method_not_allowed"}


def test_every_code_has_a_status_or_is_a_fault() -> None:
    """A new error gets its row in the table."""
    tree = ast.parse(Path(errors.__file__).read_text())
    written = {
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "code"
        and isinstance(node.value, ast.Constant)
    }

    assert written - STATUSES.keys() == FAULTS | NEVER_RAISED_HERE
    assert STATUSES.keys() - written == FRAMEWORK


def test_all_that_is_wrong_is_told_at_once(receive: Receive) -> None:
    """Each with its place."""
    answer = receive().as_role("admin").post("keys", json={"user": "", "role": "king", "colour": "red"})

    assert answer.status_code == 400
    assert {one["path"] for one in answer.json()["problems"]} == {"body.user", "body.role", "body.colour"}


def test_an_input_that_does_not_fit_is_told_field_by_field(receive: Receive) -> None:
    """422, with what the workflow's schema says."""
    reception = receive()
    schema = {"type": "object", "required": ["a"], "properties": {"b": {"type": "string"}}}
    reception.around.publish(input=schema)

    answer = reception.as_role("starter").post(f"workflows/{WORKFLOW}/runs", json={"input": {"b": 1}})

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (answer.json()["code"], len(answer.json()["problems"])) == ("invalid_input", 2)
    assert answer.json()["instance"] == f"/api/v1/workflows/{WORKFLOW}/runs"


def test_a_spec_with_problems_lists_them(receive: Receive) -> None:
    """With line and column, and nothing is stored."""
    spec = (
        "meta: {key: a.b, version: 1.0.0}\nsteps:\n  - {id: a, wait: 1s, on_success: nowhere}\n  - {id: a, wait: x}\n"
    )
    reception = receive()

    headers = {"Content-Type": "application/yaml"}
    answer = reception.as_role("admin").post("workflows", content=spec, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_spec")
    assert len(answer.json()["problems"]) >= 2
    assert "4:" in str(answer.json()["problems"])
    assert reception.around.registry.workflows() == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "nowhere", 404, "not_found"),
        ("PATCH", "runs", 405, "method_not_allowed"),
        ("GET", "runs?cursor=x", 422, "invalid_request"),
        ("GET", "runs?limit=0", 400, "malformed_request"),
        ("GET", "runs/nobody", 404, "unknown_run"),
        ("GET", "workflows/no.such", 404, "unknown_workflow"),
        ("POST", "workflows", 415, "unsupported_media_type"),
    ],
)
def test_each_answer_is_a_problem(receive: Receive, method: str, path: str, status: int, code: str) -> None:
    """The framework's too."""
    answer = receive().as_role("admin").request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:orchestrator:problem:{code}"


def test_a_fault_of_ours_tells_nothing_of_the_inside(receive: Receive, capsys: pytest.CaptureFixture[str]) -> None:
    """500; what happened is in the log."""
    reception = receive()
    reception.around.client.registry.workflows = None  # type: ignore[method-assign,assignment]

    answer = reception.as_role("viewer").get("workflows")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "NoneType" not in answer.text
    assert "NoneType" in "".join(capsys.readouterr())
