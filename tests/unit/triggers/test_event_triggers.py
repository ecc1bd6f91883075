from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import ExpressionError
from orchestrator.triggers.event_triggers import EventTriggers, Route, run_id_of
from tests.unit.surroundings import Surroundings

EVENT = {"id": "1", "type": "order.created", "source": "/shop", "time": "", "subject": None, "data": {"total": 3}}


def trigger(**fields: Any) -> dict[str, Any]:
    """An event trigger, named `placed` unless it is not."""
    return {"event": {"name": "placed", "type": "order.created", **fields}}


def routes(surroundings: Surroundings, type_: str = "order.created") -> list[Route]:
    """What is in force for a type."""
    triggers = EventTriggers(surroundings.client.catalogue)
    triggers.refresh()
    return list(triggers.of(type_))


def published(**fields: Any) -> Route:
    """The route of one published trigger."""
    surroundings = Surroundings()
    surroundings.publish(triggers=[trigger(**fields)])
    (route,) = routes(surroundings)
    return route


def test_a_trigger_takes_its_type_from_its_source_past_its_filter() -> None:
    """All that it names must hold."""
    route = published(source="/shop", filter="event.data.total > 2")

    assert route.takes(EVENT)
    assert not route.takes({**EVENT, "source": "/other"})
    assert not route.takes({**EVENT, "data": {"total": 2}})


def test_a_filter_without_an_answer_says_so() -> None:
    """It neither takes the event nor passes it over."""
    with pytest.raises(ExpressionError):
        published(filter="event.data.total > 2").takes({**EVENT, "data": {}})


def test_the_input_is_the_data_unless_the_trigger_maps_it() -> None:
    """The root is the event, with its extensions."""
    assert published().input(EVENT) == {"total": 3}
    assert published(inputs={"order": "${event.id}", "of": "${event.tenant}"}).input({**EVENT, "tenant": "a"}) == {
        "order": "1",
        "of": "a",
    }


def test_two_events_are_one_by_source_and_id_unless_the_trigger_says_otherwise() -> None:
    """The key belongs to workflow and trigger."""
    route, by_total = published(), published(dedupe="event.data.total")
    later = {**EVENT, "time": "later", "data": {"total": 4}}

    assert route.key(EVENT) == route.key(later)
    assert route.key(EVENT) != route.key({**EVENT, "source": "/other"})
    assert by_total.key(EVENT) == by_total.key({**EVENT, "id": "2"}) != by_total.key(later)
    assert published(name="other").key(EVENT) != route.key(EVENT)


def test_a_run_s_id_follows_from_key_and_entry() -> None:
    """The same every time, another for another entry."""
    assert run_id_of("key", "1-0") == run_id_of("key", "1-0")
    assert len({run_id_of("key", "1-0"), run_id_of("key", "1-1"), run_id_of("yek", "1-0")}) == 3


def test_triggers_are_those_of_the_version_that_new_runs_take() -> None:
    """Publishing replaces them as one; a deprecated version's give way to those before."""
    surroundings = Surroundings()
    surroundings.publish(triggers=[trigger(), trigger(name="second")])
    triggers = EventTriggers(surroundings.client.catalogue)
    names = []

    def note() -> None:
        triggers.refresh()
        names.append([route.name for route in triggers.of("order.created")])

    note()
    surroundings.publish(version="1.1.0", triggers=[trigger(name="new")])
    note()
    surroundings.publish(version="1.2.0", stability="beta", triggers=[])
    note()
    surroundings.client.deprecate("test.flow", "1.1.0")
    note()

    assert names == [["placed", "second"], ["new"], ["new"], ["placed", "second"]]


def test_of_versions_that_share_new_runs_the_highest_has_the_triggers() -> None:
    """One that takes nothing does not count."""
    surroundings = Surroundings()
    for version, name in (("1.0.0", "first"), ("1.1.0", "second"), ("1.2.0", "third")):
        surroundings.publish(version=version, triggers=[trigger(name=name)])

    surroundings.client.traffic("test.flow", {"1.0.0": 9, "1.1.0": 1, "1.2.0": 0})

    assert [route.name for route in routes(surroundings)] == ["second"]


def test_a_workflow_without_a_version_for_new_runs_has_none() -> None:
    """Nor has a type that nobody waits for."""
    surroundings = Surroundings()
    surroundings.publish(version="1.0.0-rc.1", triggers=[trigger()])

    assert routes(surroundings) == routes(surroundings, "order.paid") == []
