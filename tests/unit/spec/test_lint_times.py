"""Whether the SLAs of a spec leave each other room."""

from typing import Any

import pytest

from tests.unit.spec.linting import branches, choice, each, found, read, rules


def within(minutes: int) -> dict[str, Any]:
    """An SLA of so many minutes."""
    return {"sla": {"max_duration": f"{minutes}m"}}


PATHS: dict[str, list[dict[str, Any]]] = {
    "a sequence": [read("a", **within(2)), read("b"), read("c", **within(2))],
    "one way of two": [choice("q", "a", default="b"), read("a", **within(1)), read("b", **within(4))],
    "through a failure": [
        read("a", on_success="$end", on_failure="b", **within(2)),
        read("b", on_success="$end", **within(2)),
    ],
    "a loop, once": [
        read("a", on_success="q", max_visits=9, **within(2)),
        choice("q", "a", default="b"),
        read("b", **within(2)),
    ],
    "needs": [read("a", **within(2)), read("b", needs=["a"], **within(2)), read("c", **within(1))],
    "the longest branch": [branches("p", [read("a", **within(4))], [read("b", **within(3))])],
    "an item": [each("m", read("a", **within(1)), read("b", **within(3)))],
    "a container's own": [branches("p", [read("a", **within(1))]) | within(4)],
}


@pytest.mark.parametrize("steps", PATHS.values(), ids=PATHS)
def test_slas_that_add_up_to_more_than_the_runs_are_warned_about(steps: list[dict[str, Any]]) -> None:
    """On the path where they add up to most; exactly as much is enough."""
    (problem,) = found(*steps, **within(3))

    assert (problem.rule, problem.path, problem.severity) == ("sla_sum", "sla.max_duration", "warning")
    assert "add up to 4m" in problem.message
    assert rules(*steps, **within(4)) == []


def test_without_an_sla_of_the_run_there_is_nothing_to_compare_with() -> None:
    """Whatever the steps take."""
    assert rules(*PATHS["a sequence"]) == []
