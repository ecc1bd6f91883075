import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.canonical import canonical_json, digest, from_canonical
from orchestrator.spec.lint import check
from orchestrator.spec.loader import load_text
from orchestrator.spec.workflow import WorkflowSpec
from tests.unit.spec.examples import ORDER_YAML, PAYMENT, PAYMENT_YAML

texts = st.text(max_size=8)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
data = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts, data, max_size=3) | st.just("${input}")
durations = st.integers(1, 10**9) | st.sampled_from(["250ms", "1h30m", "PT30S", "7d"])
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
targets = names | st.sampled_from(["$end", "$fail"])
operations = st.sampled_from(["stock.reserve", "stock.pack@2"])
codes = st.lists(names, max_size=2)
schemas = st.sampled_from([{"type": "object"}, {"type": "array", "items": {"type": "number", "default": 0}}])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


retries = st.fixed_dictionaries(
    {"max_attempts": st.integers(1, 9)},
    optional={
        "backoff": st.sampled_from(["constant", "linear", "exponential"]),
        "delay": durations,
        "multiplier": st.floats(1, 10) | st.integers(1, 10),
        "max_delay": durations,
        "jitter": st.sampled_from(["none", "full"]) | durations,
        "max_elapsed": durations,
        "retry_on": codes,
        "give_up_on": codes,
    },
)
rungs = st.lists(st.fixed_dictionaries({"after": durations, "to": names}), max_size=2)
slas = st.fixed_dictionaries(
    {"max_duration": durations},
    optional={"warn_at": durations | st.just("80%"), "alert_on_breach": st.booleans(), "escalate": rungs},
)
limits = st.lists(st.fixed_dictionaries({"key": texts}, optional={"max": st.integers(1, 9)}), max_size=2)
undos = (
    names
    | operations
    | st.fixed_dictionaries({"operation": operations}, optional={"inputs": mappings, "retry": retries})
)
routes = targets | st.lists(
    st.fixed_dictionaries({"to": targets}, optional={"errors": codes, "when": texts}), max_size=2
)
levels = st.lists(st.fixed_dictionaries({"after": durations, "users": codes}), max_size=2)
step_fields: dict[str, st.SearchStrategy[Any]] = {
    "title": texts,
    "inputs": mappings,
    "retry": retries,
    "timeout": durations,
    "queue": texts,
    "priority": st.integers(0, 9),
    "compensation": undos,
    "pivot": st.booleans(),
    "sla": slas,
    "limits": limits,
    "transitions": st.lists(
        st.fixed_dictionaries({"to": targets}, optional={"when": texts, "label": texts}), max_size=2
    ),
    "on_success": targets,
    "on_failure": routes,
    "max_visits": st.integers(1, 9),
    "needs": codes,
    "run_if": st.sampled_from(["all_succeeded", "all_done"]),
    "when": texts | st.booleans(),
    "allow_failure": st.booleans(),
}
leaf_kinds = st.one_of(
    st.fixed_dictionaries({"operation": operations}),
    st.fixed_dictionaries({"wait": durations | st.just("${input.delay}") | st.fixed_dictionaries({"until": texts})}),
    st.fixed_dictionaries(
        {"event": some(type=names, source=texts, filter=texts, signal=names | codes, data_schema=schemas)}
    ),
    st.fixed_dictionaries(
        {"approval": some(users=codes, form=schemas, exclude_starter=st.booleans(), escalate=levels)}
    ),
    st.fixed_dictionaries(
        {"workflow": st.sampled_from(["a.b", "a.b@latest", "a.b@^1.2.0", {"key": "a.b", "detach": True}])}
    ),
)


def containers(steps: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Steps that hold the given ones, in branches or a map body."""
    flows = st.lists(steps, min_size=1, max_size=2)
    branches = st.dictionaries(
        texts, flows | st.fixed_dictionaries({"steps": flows, "output": mappings}), min_size=1, max_size=2
    )
    mapped = st.fixed_dictionaries(
        {"items": texts, "steps": flows},
        optional={
            "output": mappings,
            "tolerate": st.integers(0, 9) | st.just("10%"),
            "join": st.sampled_from(["all", 2]),
        },
    )
    kinds = st.fixed_dictionaries({"parallel": st.fixed_dictionaries({"branches": branches})}) | st.fixed_dictionaries(
        {"map": mapped}
    )
    return step_of(kinds)


def step_of(kinds: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A step of one of these kinds, with any of the other fields."""
    common = st.fixed_dictionaries({"id": names}, optional=step_fields)
    return st.builds(lambda fields, kind: {**fields, **kind}, common, kinds)


steps = st.recursive(step_of(leaf_kinds), containers, max_leaves=3)
specs = st.fixed_dictionaries(
    {
        "meta": st.fixed_dictionaries({"key": st.just("a.b"), "version": st.just("1.0.0")}, optional={"owners": codes}),
        "steps": st.lists(steps, min_size=1, max_size=3),
    },
    optional={
        "input": schemas,
        "output": mappings,
        "defaults": some(retry=retries, timeout=durations, priority=st.integers(0, 9)),
        "timeout": durations,
        "compensation": some(trigger=st.just("manual"), on_cancel=st.booleans(), retry=retries, timeout=durations),
        "sla": slas,
        "search": st.dictionaries(texts, texts, max_size=2),
        "limits": limits,
        "redact": codes,
    },
)


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
