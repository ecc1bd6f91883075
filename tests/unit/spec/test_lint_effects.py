"""Effects that nothing would take back, and effects for good that race each other."""

from typing import Any

import pytest

from tests.unit.spec.linting import branches, choice, each, found, read, rules, write

UNDO = {"compensation": "do.undo"}


def mail(name: str, **fields: Any) -> dict[str, Any]:
    """A step that cannot be taken back."""
    return {"id": name, "operation": "do.mail", **fields}


LEFT: dict[str, list[dict[str, Any]]] = {
    "a later step can fail": [write("w"), read("z")],
    "after a wait": [write("w"), {"id": "nap", "wait": "1s"}, read("z")],
    "a way leads to $fail": [write("w", on_success="q"), choice("q", "$fail")],
    "a handler can fail": [
        write("w", on_success="z"),
        read("z", on_failure="mend", on_success="$end"),
        read("mend", on_success="$end"),
    ],
    "only some errors are handled": [write("w"), read("z", on_failure=[{"errors": ["x"], "to": "$end"}])],
    "a pivot can fail": [write("w"), read("z", pivot=True)],
    "a needs flow goes on": [write("w"), read("z", needs=["w"])],
    "a needs flow runs beside": [write("w", needs=["b"]), read("z", needs=["b"]), read("b")],
    "after its container": [branches("p", [write("w")]), read("z")],
    "another branch": [branches("p", [write("w")], [read("z")])],
    "another branch wins": [branches("p", [write("w")], [read("z")], join="any")],
    "another item": [each("m", write("w"))],
}
KEPT: dict[str, list[dict[str, Any]]] = {
    "nothing comes after": [read("a"), write("w")],
    "it can be undone": [write("w", **UNDO), read("z")],
    "it is a pivot": [write("w", pivot=True), read("z")],
    "a pivot seals it": [write("w"), read("p", pivot=True, on_failure="$end"), read("z")],
    "only a wait comes after": [write("w"), {"id": "nap", "wait": "1s"}],
    "the failure is handled": [write("w"), read("z", on_failure="$end")],
    "it mends": [
        read("a", on_failure="w", on_success="$end"),
        write("w", on_success="z"),
        read("z", on_success="$fail"),
    ],
    "its container mends": [
        read("a", on_failure="p", on_success="$end"),
        branches("p", [write("w"), read("y")], [read("z")]) | {"on_success": "$fail"},
    ],
    "what runs beside it cannot fail": [branches("p", [write("w")], [{"id": "nap", "wait": "1s"}])],
    "what fails may fail": [write("w"), read("z", needs=["w"], allow_failure=True)],
    "a pivot of a needs flow": [
        read("a"),
        write("w", needs=["a"]),
        read("p", needs=["w"], pivot=True, allow_failure=True),
        read("z", needs=["p"]),
    ],
    "others go on": [branches("p", [write("w")], [read("z")], join="any", rest="continue")],
    "one branch": [branches("p", [write("w")])],
}


@pytest.mark.parametrize("steps", LEFT.values(), ids=LEFT)
def test_a_write_that_a_failure_can_follow_and_nothing_undoes_is_warned_about(steps: list[dict[str, Any]]) -> None:
    """In its own flow, beside it, or in one around."""
    problems = found(*steps)

    assert [(problem.rule, problem.step, problem.severity) for problem in problems] == [
        ("write_without_undo", "w", "warning")
    ]


@pytest.mark.parametrize("steps", KEPT.values(), ids=KEPT)
def test_a_write_that_stands_or_can_be_undone_is_let_be(steps: list[dict[str, Any]]) -> None:
    """The near misses."""
    assert rules(*steps) == []


def test_a_pivot_on_the_way_seals_what_was_written_before() -> None:
    """Only its own failure can still follow, which the pivot names."""
    (problem,) = found(write("w"), read("p", pivot=True), read("z"))

    assert "a failure at `p` can follow" in problem.message


RACING: dict[str, list[dict[str, Any]]] = {
    "branches": [branches("p", [mail("a")], [read("r"), mail("b")])],
    "deep in branches": [branches("p", [mail("a")], [each("m", mail("b"))])],
    "needs": [mail("a"), mail("b", needs=["r"]), read("r")],
    "within steps of a needs flow": [mail("a"), branches("p", [mail("b")]) | {"needs": ["r"]}, read("r")],
}
ORDERED: dict[str, list[dict[str, Any]]] = {
    "sequence": [mail("a"), mail("b")],
    "one branch": [branches("p", [mail("a"), mail("b")], [read("r")])],
    "needs": [mail("a"), read("r", needs=["a"]), mail("b", needs=["r"])],
    "one after the container": [branches("p", [mail("a")]), mail("b")],
}


@pytest.mark.parametrize("steps", RACING.values(), ids=RACING)
def test_two_irreversible_steps_beside_each_other_are_warned_about(steps: list[dict[str, Any]]) -> None:
    """At the later one."""
    assert rules(*steps) == [("irreversible_in_parallel", "b")]


def test_an_irreversible_step_is_warned_about_once() -> None:
    """However many run beside it."""
    steps = branches("p", [mail("a")], [branches("q", [mail("b")], [mail("c")])])

    assert rules(steps) == [("irreversible_in_parallel", "b"), ("irreversible_in_parallel", "c")]


@pytest.mark.parametrize("steps", ORDERED.values(), ids=ORDERED)
def test_two_irreversible_steps_after_each_other_are_let_be(steps: list[dict[str, Any]]) -> None:
    """The near misses."""
    assert rules(*steps) == []
