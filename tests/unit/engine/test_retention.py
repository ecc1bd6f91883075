"""A run is deleted when it has been over for long enough, and by nobody who knows less."""

from __future__ import annotations

import json

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.engine.commit import Commit
from orchestrator.engine.indexes import INDEXES, PAUSED_RUNS, sla_index, status_index
from orchestrator.engine.retention import forget, found_by, mark
from orchestrator.engine.sla import SlaState
from orchestrator.engine.state import OVER, RunStatus
from orchestrator.engine.view import RunView

BEFORE_MS = 1_000


def decided(*, with_archive: bool = False, **changed: str | None) -> Commit | None:
    """The decision about a completed run that ended long before, but for these fields."""
    values: dict[str, str | None] = {
        fields.INCARNATION: "3",
        fields.WORKFLOW: "test.flow",
        fields.VERSION: "1.0.0",
        fields.STATUS: RunStatus.COMPLETED,
        fields.ENDED_AT: "10",
        INDEXES: json.dumps(["all", "tag:x"]),
    }
    view = RunView("run", {**values, **changed}, now_ms=2_000)
    return forget(view, ended_before_ms=BEFORE_MS, remembered_ms=7, archived=with_archive)


def test_the_deletion_says_why_it_may_be() -> None:
    """Terminal, this incarnation, ended then (RULES 20)."""
    commit = decided()

    assert commit is not None
    assert commit.incarnation == "3"
    unchanged = {fields.STATUS: "completed", fields.ENDED_AT: "10", fields.TOUCHED: None, fields.ARCHIVED: None}
    assert commit.stages[0].guards == unchanged
    assert commit.stages[0].changes.forget == 7


def test_the_deletion_takes_the_run_out_of_every_index() -> None:
    """Those of its start as it noted them then, and those of its status."""
    commit = decided()

    assert commit is not None
    left = commit.stages[0].changes.index
    assert set(left) == {
        "all",
        "tag:x",
        PAUSED_RUNS,
        status_index(RunStatus.COMPLETED),
        status_index(RunStatus.COMPLETED, "test.flow"),
    }
    assert not any(left.values())


def test_a_run_that_was_measured_is_found_by_its_sla_no_more() -> None:
    """Whatever that had come to; one without an SLA was in none of those indexes."""
    commit = decided(with_archive=False, **{fields.sla_due(RUN): "5"})

    assert commit is not None
    left = commit.stages[0].changes.index
    assert {sla_index(state, of) for state in SlaState for of in (None, "test.flow")} <= set(left)
    assert not any(left.values())


@pytest.mark.parametrize("status", [status for status in RunStatus if status not in OVER])
def test_a_run_that_goes_on_is_kept(status: RunStatus) -> None:
    """One that is being retried has ended before."""
    assert decided(status=status) is None


@pytest.mark.parametrize("ended_at", [None, str(BEFORE_MS), str(BEFORE_MS + 1)])
def test_a_run_that_ended_lately_is_kept(ended_at: str | None) -> None:
    """And one that is not there cannot be deleted."""
    assert decided(ended_at=ended_at) is None
    assert forget(RunView("none", {}, 0), ended_before_ms=BEFORE_MS, remembered_ms=7) is None


@pytest.mark.parametrize(
    ("changed", "may_go"),
    [
        ({}, False),
        ({fields.ARCHIVED: "3.0"}, True),
        ({fields.ARCHIVED: "2.0"}, False),
        ({fields.ARCHIVED: "3.0", fields.TOUCHED: "8"}, False),
        ({fields.ARCHIVED: "3.8", fields.TOUCHED: "8"}, True),
    ],
)
def test_with_an_archive_only_what_it_has_as_it_is_may_go(changed: dict[str, str], may_go: bool) -> None:
    """This incarnation, with what came after its end."""
    commit = decided(with_archive=True, **changed)

    assert (commit is not None) is may_go
    if commit is not None:
        assert commit.stages[0].changes.index["archived:completed"] is False


def test_the_mark_is_of_what_was_read() -> None:
    """A run that was retried, or changed after its end, does not get it."""
    values = {fields.INCARNATION: "3", fields.STATUS: "failed", fields.ENDED_AT: "10", fields.TOUCHED: "8"}

    commit = mark(RunView("run", values, now_ms=2_000))

    assert commit.incarnation == "3"
    assert commit.stages[0].guards == {fields.STATUS: "failed", fields.ENDED_AT: "10", fields.TOUCHED: "8"}
    assert commit.stages[0].changes.set == {fields.ARCHIVED: "3.8"}
    held = {"archived:completed": False, "archived:failed": True, "archived:cancelled": False}
    assert commit.stages[0].changes.index == held


@pytest.mark.parametrize(
    ("levels", "state"), [((), "ok"), (("warn",), "warned"), (("warn", "met"), "met"), (("warn", "breach"), "breached")]
)
def test_a_run_is_found_by_what_it_is_in_at_its_end(levels: tuple[str, ...], state: str) -> None:
    """Its start's indexes, its status's, and its SLA's: the archive is searched by the same names."""
    values = {
        fields.WORKFLOW: "test.flow",
        fields.STATUS: "failed",
        INDEXES: json.dumps(["all", "tag:x"]),
        fields.sla_due(RUN): "5",
        **{fields.sla_fired(RUN, level): "5" for level in levels},
    }

    names = found_by(RunView("run", values, now_ms=9))

    status, sla = status_index(RunStatus.FAILED), f"sla:{state}"
    assert set(names) == {"all", "tag:x", status, f"{status}:test.flow", sla, f"{sla}:test.flow"}
