"""Specs whose fields are right one by one, and whose parts fit together by chance only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

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


def connected(written: dict[str, Any]) -> dict[str, Any]:
    """The same spec with ids of its own, whose targets, needs and reads name steps that exist."""
    count = iter(range(1_000))
    return {**written, "steps": _connected(written["steps"], count)}


def _connected(steps: list[dict[str, Any]], count: Iterator[int]) -> list[dict[str, Any]]:
    ids = [f"s{next(count)}" for _ in steps]

    def near(name: str) -> str:
        return name if name.startswith("$") or "." in name else ids[len(name) % len(ids)]

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return near(value)
        return [{**one, "to": near(one["to"])} if isinstance(one, dict) else near(one) for one in value]

    made = []
    for name, step in zip(ids, steps, strict=True):
        fields = {**step, "id": name, "inputs": {"x": f"${{steps.{ids[-1]}.output.id}}"}}
        for field in {"transitions", "on_success", "on_failure", "needs"} & step.keys():
            fields[field] = renamed(step[field])
        if isinstance(step.get("compensation"), str):
            fields["compensation"] = near(step["compensation"])
        if "map" in step:
            fields["map"] = {**step["map"], "steps": _connected(step["map"]["steps"], count)}
        if "parallel" in step:
            flows = step["parallel"]["branches"].values()
            listed = [flow["steps"] if isinstance(flow, dict) else flow for flow in flows]
            fields["parallel"] = {"branches": {f"b{n}": _connected(flow, count) for n, flow in enumerate(listed)}}
        made.append(fields)
    return made
