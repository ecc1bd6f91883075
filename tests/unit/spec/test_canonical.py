import hashlib
import json
from typing import Any

import pytest
from hypothesis import given

from orchestrator.spec.canonical import canonical_json, digest, from_canonical
from orchestrator.spec.lint import check
from orchestrator.spec.loader import load_text
from orchestrator.spec.workflow import WorkflowSpec
from tests.unit.spec.examples import ORDER_YAML, PAYMENT, PAYMENT_YAML
from tests.unit.spec.random_specs import specs


@given(specs)
def test_canonical_json_reads_back_as_the_same_spec(written: dict[str, Any]) -> None:
    """And is then written again byte by byte."""
    spec = WorkflowSpec.model_validate(written)

    text = canonical_json(spec)

    assert from_canonical(text) == spec
    assert canonical_json(from_canonical(text)) == text


def test_python_and_yaml_give_the_same_canonical_json() -> None:
    """Lambdas or expressions, snake_case or camelCase, defaults written or not."""
    (from_python,) = load_text(PAYMENT, "payment.py")
    (from_yaml,) = load_text(PAYMENT_YAML, "payment.yaml")

    assert canonical_json(from_python.spec) == canonical_json(from_yaml.spec)


def test_digest_is_the_sha256_of_the_canonical_json() -> None:
    """In hex."""
    (loaded,) = load_text(ORDER_YAML, "order.yaml")

    assert digest(loaded.spec) == hashlib.sha256(canonical_json(loaded.spec).encode()).hexdigest()


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"timeout": "1m"}, {"timeout": 60_000}),
        ({"retry": {"max_attempts": 2}}, {"retry": {"max_attempts": 2, "delay": "1s", "jitter": "none"}}),
        ({}, {"inputs": {}, "pivot": False, "transitions": [], "priority": None}),
        ({"on_failure": [{"to": "$end"}]}, {"onFailure": [{"errors": "*", "to": "$end"}]}),
    ],
)
def test_what_means_the_same_is_written_the_same(short: dict[str, Any], long: dict[str, Any]) -> None:
    """Defaults are left out and durations are milliseconds."""
    base = {"meta": {"key": "a.b", "version": "1.0.0"}}

    first, second = (
        WorkflowSpec.model_validate({**base, "steps": [{"id": "a", "operation": "x.y", **fields}]})
        for fields in (short, long)
    )

    assert canonical_json(first) == canonical_json(second)


def test_canonical_json_is_sorted_snake_case_without_defaults() -> None:
    """RFC 8785: sorted names, no spaces."""
    written = {
        "meta": {"version": "1.0.0", "workflowId": "a.b"},
        "steps": [{"id": "a", "wait": "2s", "onSuccess": "$end"}],
    }

    text = canonical_json(WorkflowSpec.model_validate(written))

    assert text == '{"meta":{"key":"a.b","version":"1.0.0"},"steps":[{"id":"a","on_success":"$end","wait":2000}]}'
    assert json.loads(text)["meta"]["key"] == "a.b"


def test_durations_of_canonical_json_are_not_taken_for_slips() -> None:
    """There every duration is a bare integer, also within the undo of a step."""
    undo = {"operation": "x.z", "timeout": "250ms"}
    step = {"id": "a", "operation": "x.y", "timeout": "250ms", "compensation": undo}
    spec = WorkflowSpec.model_validate({"meta": {"key": "a.b", "version": "1.0.0"}, "steps": [step]})

    assert check(from_canonical(canonical_json(spec))) == []
