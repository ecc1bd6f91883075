"""Which version a new run takes, and what a process keeps of it."""

from __future__ import annotations

import pytest

from orchestrator.client.versions import Versions
from orchestrator.errors import UnknownWorkflow
from orchestrator.store.registry import Definition
from orchestrator.store.registry_memory import MemoryRegistry
from tests.unit.surroundings import WORKFLOW, HandClock, Surroundings


class CountingRegistry(MemoryRegistry):
    """Counts how often a definition is fetched, and all of them."""

    def __init__(self) -> None:
        super().__init__(HandClock())
        self.fetched = 0
        self.listed = 0

    def get(self, key: str, version: str) -> Definition:
        """One more."""
        self.fetched += 1
        return super().get(key, version)

    def versions(self, key: str) -> list[Definition]:
        """One more."""
        self.listed += 1
        return super().versions(key)


def published(*versions: tuple[str, str]) -> Versions:
    """A registry with these versions, as a client knows it."""
    around = Surroundings()
    for version, stability in versions:
        around.publish(version=version, stability=stability)
    return around.client.catalogue


def test_a_new_run_takes_the_highest_stable_version() -> None:
    """By number, not by text or time; what is not stable is passed over."""
    versions = published(("1.10.0", "stable"), ("1.9.0", "stable"), ("2.0.0", "beta"))

    assert versions.resolve(WORKFLOW)[1].version == "1.10.0"


def test_a_named_version_is_taken_whatever_its_stability() -> None:
    """Whoever names it wants it."""
    versions = published(("1.0.0", "stable"), ("2.0.0", "beta"))

    assert versions.resolve(WORKFLOW, "2.0.0")[1].version == "2.0.0"


def test_a_version_published_later_is_seen_by_the_next_start() -> None:
    """What was found before is no longer the latest."""
    around = Surroundings()
    around.publish(version="1.0.0")
    before = around.client.catalogue.resolve(WORKFLOW)[1].version

    around.publish(version="1.1.0")

    assert before == "1.0.0"
    assert around.client.catalogue.resolve(WORKFLOW)[1].version == "1.1.0"


def test_without_a_stable_version_one_must_be_named() -> None:
    """The refusal says which there are."""
    with pytest.raises(UnknownWorkflow, match=r"no stable version; name one of 1\.0\.0"):
        published(("1.0.0", "beta")).resolve(WORKFLOW)


def test_an_unknown_workflow_is_named() -> None:
    """And nothing is guessed."""
    with pytest.raises(UnknownWorkflow, match=r"no workflow 'no\.such' is published"):
        published().resolve("no.such")


def test_an_unknown_version_is_answered_with_those_that_there_are() -> None:
    """In the message and as a detail."""
    with pytest.raises(UnknownWorkflow, match=r"test\.flow has 1\.0\.0, 1\.1\.0") as raised:
        published(("1.0.0", "stable"), ("1.1.0", "stable")).resolve(WORKFLOW, "9.0.0")

    assert raised.value.details["near"] == ["1.0.0", "1.1.0"]


def test_a_misspelt_workflow_is_answered_with_what_comes_near() -> None:
    """A typing error is the usual reason."""
    with pytest.raises(UnknownWorkflow, match=r"did you mean test\.flow\?"):
        published(("1.0.0", "stable")).resolve("test.flwo", "1.0.0")


def test_a_plan_is_compiled_once_a_process() -> None:
    """A version never changes, so it is fetched once."""
    around = Surroundings()
    around.registry = CountingRegistry()
    around.publish()
    versions = Versions(around.registry)

    plans = [versions.plan(WORKFLOW, "1.0.0"), versions.resolve(WORKFLOW)[1], versions.resolve(WORKFLOW, "1.0.0")[1]]

    assert around.registry.fetched == 1
    assert all(plan is plans[0] for plan in plans)


def test_a_start_asks_the_registry_for_no_more_than_a_revision() -> None:
    """Definitions and marks are read again only when something has changed."""
    around = Surroundings()
    around.registry = CountingRegistry()
    around.publish()
    versions = Versions(around.registry)

    for _ in range(5):
        versions.resolve(WORKFLOW)
    around.registry.deprecate(WORKFLOW, "1.0.0")
    with pytest.raises(UnknownWorkflow):
        versions.resolve(WORKFLOW)

    assert around.registry.listed == 2


@pytest.mark.parametrize(("asked", "taken"), [("latest", "2.0.0"), ("^1.0.0", "1.9.0"), ("1.2.0", "1.2.0")])
def test_a_requirement_is_met_by_the_highest_that_fits(asked: str, taken: str) -> None:
    """As children ask for it: among stable versions, unless one is named."""
    versions = published(("1.2.0", "beta"), ("1.8.0", "stable"), ("1.9.0", "stable"), ("2.0.0", "stable"))

    assert versions.resolve(WORKFLOW, asked)[1].version == taken


def test_a_requirement_that_nothing_meets_is_refused() -> None:
    """With what there is."""
    with pytest.raises(UnknownWorkflow, match=r"in \^2\.0\.0; name one of 1\.0\.0"):
        published(("1.0.0", "stable")).resolve(WORKFLOW, "^2.0.0")


def test_what_is_no_version_is_an_unknown_one() -> None:
    """Not a crash."""
    with pytest.raises(UnknownWorkflow, match=r"test\.flow has 1\.0\.0"):
        published(("1.0.0", "stable")).resolve(WORKFLOW, "1.x")
