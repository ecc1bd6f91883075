"""Rolling versions out and in, as a client does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.client.run_surface import Start
from orchestrator.errors import InvalidTraffic, UnknownWorkflow
from tests.unit.surroundings import WORKFLOW, Surroundings

TENANTS = [f"tenant-{number}" for number in range(40)]


@pytest.fixture
def around() -> Surroundings:
    """Two versions are published."""
    around = Surroundings()
    around.publish(version="1.0.0")
    around.publish(version="1.1.0")
    return around


def version_of(around: Surroundings, given: Mapping[str, Any] | None = None, **options: Any) -> str:
    """The version that a new run takes."""
    return around.start(input=given, **options).describe().version


def test_a_split_shares_new_runs_out(around: Surroundings) -> None:
    """To all versions that it names, and only among those that name none."""
    around.client.traffic(WORKFLOW, {"1.0.0": 50, "1.1.0": 50})

    assert {version_of(around) for _ in range(40)} == {"1.0.0", "1.1.0"}
    assert {version_of(around, version="1.1.0") for _ in range(20)} == {"1.1.0"}


def test_a_split_is_sticky_by_its_expression(around: Surroundings) -> None:
    """The same value, the same version: one by one, in a batch, and from another client."""
    around.client.traffic(WORKFLOW, {"1.0.0": 50, "1.1.0": 50}, by="input.tenant + ctx.zone")
    ctx = {"zone": "eu"}

    one_by_one = [version_of(around, {"tenant": tenant}, ctx=ctx) for tenant in TENANTS]
    batch = around.client.start_many([Start(WORKFLOW, {"tenant": tenant}, ctx) for tenant in TENANTS])

    assert [run.describe().version for run in batch] == one_by_one
    assert set(one_by_one) == {"1.0.0", "1.1.0"}


def test_without_an_expression_a_run_id_always_takes_the_same_version(around: Surroundings) -> None:
    """So a start that is sent again means the same."""
    around.client.traffic(WORKFLOW, {"1.0.0": 50, "1.1.0": 50})
    offer = around.client.catalogue.offer(WORKFLOW)

    run = around.start(run_id="order-7")

    assert run.describe().version == offer.version_for(None, "order-7", {})


def test_a_start_without_a_sticky_value_is_accepted(around: Surroundings) -> None:
    """It takes a version by its run id, and a line in the log says so."""
    around.client.traffic(WORKFLOW, {"1.0.0": 50, "1.1.0": 50}, by="input.tenant")

    with capture_logs() as lines:
        took = {version_of(around, {}) for _ in range(40)}

    assert took == {"1.0.0", "1.1.0"}
    assert {line["event"] for line in lines} == {"traffic_not_sticky"}


def test_a_split_ends_when_it_is_cleared(around: Surroundings) -> None:
    """The highest stable version takes all again."""
    around.client.traffic(WORKFLOW, {"1.0.0": 1})
    before = around.client.traffic(WORKFLOW), version_of(around)

    around.client.clear_traffic(WORKFLOW)

    assert before[0] is not None
    assert before[1] == "1.0.0"
    assert around.client.traffic(WORKFLOW) is None
    assert version_of(around) == "1.1.0"


def test_a_split_that_is_refused_changes_nothing(around: Surroundings) -> None:
    """Neither weights that say nothing, nor versions that there are not, nor workflows."""
    with pytest.raises(InvalidTraffic):
        around.client.traffic(WORKFLOW, {"1.0.0": 0})
    with pytest.raises(UnknownWorkflow, match=r"1\.0\.0, 1\.1\.0"):
        around.client.traffic(WORKFLOW, {"1.0.0": 1, "2.0.0": 1})
    with pytest.raises(UnknownWorkflow, match=r"did you mean test\.flow\?"):
        around.client.clear_traffic("test.flwo")

    assert around.client.traffic(WORKFLOW) is None


def test_a_deprecated_version_is_not_the_latest(around: Surroundings) -> None:
    """Its definition stays as it is, and it can be taken back."""
    digest = around.registry.get(WORKFLOW, "1.1.0").digest

    around.client.deprecate(WORKFLOW, "1.1.0")
    during = version_of(around)
    around.client.deprecate(WORKFLOW, "1.1.0", undo=True)

    assert during == "1.0.0"
    assert version_of(around) == "1.1.0"
    assert around.registry.get(WORKFLOW, "1.1.0").digest == digest


def test_a_run_goes_on_on_a_version_that_was_deprecated_under_it(around: Surroundings) -> None:
    """It is pinned to it for life."""
    run = around.start()
    around.client.deprecate(WORKFLOW, "1.1.0")

    around.work(run, "a")

    shown = run.describe()
    assert (shown.version, shown.status) == ("1.1.0", "completed")


def test_naming_a_deprecated_version_is_allowed_and_noted_once(around: Surroundings) -> None:
    """Once a process, so that a busy producer does not fill its log."""
    around.client.deprecate(WORKFLOW, "1.0.0")

    with capture_logs() as lines:
        took = [version_of(around, version="1.0.0") for _ in range(2)]

    assert took == ["1.0.0", "1.0.0"]
    assert [line["event"] for line in lines] == ["deprecated_version_started"]


def test_a_split_may_name_a_deprecated_version(around: Surroundings) -> None:
    """Whoever names it wants it; only `latest` passes it over."""
    around.client.traffic(WORKFLOW, {"1.0.0": 1})
    around.client.deprecate(WORKFLOW, "1.0.0")

    with capture_logs() as lines:
        assert version_of(around) == "1.0.0"
    assert lines == []


def test_each_version_says_what_it_takes_and_how_many_runs_live_on_it(around: Surroundings) -> None:
    """The highest first; a run that is over lives no more."""
    done, _ = around.start(version="1.0.0"), around.start(version="1.0.0")
    around.start()
    around.work(done, "a")
    around.client.deprecate(WORKFLOW, "1.0.0")

    new, old = around.client.versions(WORKFLOW)

    assert (new.version, new.takes_percent, new.live_runs, new.deprecated_at) == ("1.1.0", 100, 1, None)
    assert (old.version, old.takes_percent, old.live_runs) == ("1.0.0", 0, 1)
    assert old.deprecated_at == "2023-11-14T22:13:20.000Z"
    assert (old.stability, old.digest) == ("stable", around.registry.get(WORKFLOW, "1.0.0").digest)


def test_shares_are_those_of_the_split(around: Surroundings) -> None:
    """In percent, whatever the weights add up to."""
    around.client.traffic(WORKFLOW, {"1.0.0": 3, "1.1.0": 1})

    assert [one.takes_percent for one in around.client.versions(WORKFLOW)] == [25, 75]
