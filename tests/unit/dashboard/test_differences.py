"""What two versions of a workflow differ in."""

from __future__ import annotations

from orchestrator.dashboard.pages.differences import Differences, differences
from orchestrator.plan.plan import compile_plan
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import OPERATIONS

FIRST = """
meta: {key: trip.book, version: 1.0.0}
steps:
  - {id: ask, wait: 1s}
  - id: book
    parallel:
      branches:
        plane: [{id: fly, wait: 2s}]
        train: [{id: ride, wait: 3s}]
  - {id: tell, wait: 4s}
"""


def compared(before: str, after: str) -> Differences:
    """Two texts, read and compiled."""
    specs = [load_text(text, "trip.yaml", OPERATIONS)[0].spec for text in (before, after)]
    old, new = ((one, compile_plan(one, {}, digest="")) for one in specs)
    return differences(old, new)


def told(found: Differences) -> list[tuple[str, str, list[str]]]:
    """Each step that differs, how, and in what."""
    return [
        (one.id, one.kind, [name for name, _, _ in one.changes]) for one in found.steps if one.kind == "changed"
    ] + [(one.id, one.kind, []) for one in found.steps if one.kind != "changed"]


def test_versions_that_differ_in_their_number_differ_in_nothing_else() -> None:
    """Only the line with the number is another."""
    found = compared(FIRST, FIRST.replace("1.0.0", "1.1.0"))

    assert (found.steps, found.rest) == ((), ())
    assert [line.text.strip() for line in found.lines if line.sign != " "] == ["version: 1.0.0", "version: 1.1.0"]


def test_a_step_within_a_container_is_compared_by_itself() -> None:
    """The container that it stands in is as it was."""
    found = compared(FIRST, FIRST.replace("wait: 3s", "wait: 5s"))

    assert told(found) == [("ride", "changed", ["wait"])]
    assert found.steps[0].changes == (("wait", 3_000, 5_000),)


def test_a_step_that_comes_between_changes_where_the_one_before_leads() -> None:
    """Though nothing that is written at that one is another."""
    found = compared(FIRST, FIRST.replace("  - {id: tell", "  - {id: pay, wait: 1s}\n  - {id: tell"))

    assert told(found) == [("book", "changed", ["leads to"]), ("pay", "added", [])]


def test_a_branch_that_goes_is_told_of_its_container_and_its_steps() -> None:
    """The branch at the one, each step as removed."""
    found = compared(FIRST, FIRST.replace("        train: [{id: ride, wait: 3s}]\n", ""))

    assert told(found) == [("book", "changed", ["parallel"]), ("ride", "removed", [])]
    assert found.count("removed") == 1


def test_a_step_that_moves_says_where_it_stands() -> None:
    """It is no other step for that."""
    moved = FIRST.replace("[{id: fly, wait: 2s}]", "[{id: walk, wait: 2s}]").replace(
        "[{id: ride", "[{id: fly, wait: 2s}, {id: ride"
    )

    found = compared(FIRST, moved)

    assert ("fly", "changed", ["leads to", "within"]) in told(found)


def test_what_is_said_beside_the_steps_is_told_by_its_name() -> None:
    """With what it was, and what it is."""
    found = compared(FIRST, FIRST.replace("version: 1.0.0}", "version: 1.0.0, tags: [trips]}\ntimeout: 1h"))

    assert found.rest == (("meta.tags", None, ["trips"]), ("timeout", None, 3_600_000))
