from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.client.handle import RedisRunHandle
from orchestrator.errors import Unreachable
from orchestrator.store.events import DeadLetter
from orchestrator.triggers.listener import TOLD_PER_S, TRIES, Listener
from tests.unit.surroundings import WORKFLOW, Surroundings

PLACED = {"event": {"name": "placed", "type": "order.created"}}


class Shop(Surroundings):
    """Surroundings with events."""

    def emit(self, *ids: str, data: Any = None, type_: str = "order.created", **attributes: Any) -> list[str]:
        """Take events in, from one shop."""
        least = {"specversion": "1.0", "source": "/shop", "type": type_, "data": data or {}}
        return self.events.append([json.dumps({**least, "id": one, **attributes}) for one in ids])

    def listen(self, *, later_ms: int = 0) -> int:
        """Let a new listener see to what there is, after so long."""
        self.clock.move(later_ms)
        return Listener(self.client).turn()

    def runs(self, workflow: str = WORKFLOW) -> list[RedisRunHandle]:
        """The runs of a workflow."""
        return self.client.runs(workflow=workflow)

    def dead(self) -> list[DeadLetter]:
        """What was given up."""
        return self.events.dead(100)


@pytest.fixture
def shop() -> Shop:
    """One whose workflow is triggered by its orders."""
    shop = Shop()
    shop.publish(triggers=[PLACED])
    return shop


def hand_over_by(monkeypatch: pytest.MonkeyPatch, deliver: Callable[..., int]) -> None:
    """Let events be handed over by a function of the test's, as if a run waited for each."""
    monkeypatch.setattr("orchestrator.client.receiving.Receiving.awaited", lambda _, names: frozenset(names))
    monkeypatch.setattr("orchestrator.client.receiving.Receiving.deliver", deliver)


def away(*_: object) -> Any:
    """Fail as when Redis is gone."""
    raise Unreachable("gone")


def test_each_event_starts_a_run(shop: Shop) -> None:
    """With the event's data as input; who started it is told, and the first message is sent."""
    shop.emit("1", data={"n": 1})
    shop.emit("2", data={"n": 2})

    assert shop.listen() == 2

    assert sorted(run.describe().input["n"] for run in shop.runs()) == [1, 2]
    assert [run.describe().started_by for run in shop.runs()] == ["event:order.created"] * 2
    assert len(shop.dispatcher.sent) == 2
    assert shop.listen(later_ms=3_600_000) == 0


def test_an_event_without_data_starts_a_run_without_input(shop: Shop) -> None:
    """As a start by hand would."""
    shop.events.append(['{"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created"}'])

    shop.listen()

    assert [run.describe().input for run in shop.runs()] == [{}]


def test_a_doubled_event_starts_no_second_run(shop: Shop) -> None:
    """In the same batch or later; by source and id, whatever else it says."""
    shop.emit("1", "1")
    shop.listen()
    shop.emit("1", data={"n": 2})
    shop.listen()
    shop.emit("1", source="/other")
    shop.listen()

    assert len(shop.runs()) == 2


def test_after_the_window_the_same_event_starts_a_run_again(shop: Shop) -> None:
    """24 hours, between the moments at which they came in."""
    shop.emit("1")
    shop.listen()
    shop.emit("1")

    shop.listen(later_ms=shop.settings.events_dedupe_ms)
    shop.emit("1")
    shop.listen()

    assert len(shop.runs()) == 2


def test_a_backlog_does_not_make_two_runs_of_one_event(shop: Shop) -> None:
    """However late they are handled."""
    shop.emit("1")
    shop.clock.move(1_000)
    shop.emit("1")
    shop.clock.move(shop.settings.events_dedupe_ms * 2)

    shop.listen()

    assert len(shop.runs()) == 1


def test_every_trigger_of_every_workflow_gets_the_event(shop: Shop) -> None:
    """But those of another type, source or filter."""
    triggers = [
        {"event": {"name": "large", "type": "order.created", "filter": "event.data.n > 5"}},
        {"event": {"name": "small", "type": "order.created", "filter": "event.data.n <= 5"}},
        {"event": {"name": "elsewhere", "type": "order.created", "source": "/other"}},
        {"event": {"name": "paid", "type": "order.paid"}},
    ]
    shop.publish(key="test.other", triggers=triggers)

    shop.emit("1", data={"n": 7})
    shop.listen()

    assert (len(shop.runs()), len(shop.runs("test.other"))) == (1, 1)


def test_what_was_published_before_the_event_came_is_in_force(shop: Shop) -> None:
    """Also for a listener that has been there for longer."""
    listener = Listener(shop.client)
    listener.turn()
    shop.publish(key="test.other", triggers=[PLACED])

    shop.emit("1")
    listener.turn()

    assert len(shop.runs("test.other")) == 1


def test_a_filter_without_an_answer_starts_nothing_and_is_remembered(shop: Shop) -> None:
    """The other triggers go on."""
    strict = {"event": {"name": "strict", "type": "order.created", "filter": "event.data.total > 0"}}
    shop.publish(key="test.other", triggers=[strict])

    shop.emit("1")
    shop.listen()

    (miss,) = shop.events.misses()
    assert miss.trigger == "test.other/strict"
    assert "total" in miss.error
    assert (len(shop.runs()), shop.runs("test.other"), shop.dead()) == (1, [], [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [({"n": "text"}, "invalid_input: input.n"), ([1], "invalid_input"), ({"n": 1, "x": "a" * 300_000}, "payload")],
)
def test_an_input_that_does_not_fit_is_given_up_for_its_trigger_alone(shop: Shop, data: Any, reason: str) -> None:
    """The others, and the next events, are not held up."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    shop.publish(key="test.strict", triggers=[PLACED], input=schema)
    shop.publish(key="test.mapped", triggers=[{"event": {**PLACED["event"], "inputs": {"id": "${event.id}"}}}])

    shop.emit("1", data=data)
    shop.emit("2", data={"n": 2})
    shop.listen()

    letter = next(one.burial for one in shop.dead() if one.burial.only == "test.strict/placed")
    assert letter.reason.startswith(reason)
    assert [len(shop.runs(key)) for key in ("test.strict", "test.mapped")] == [1, 2]


def test_an_event_without_what_the_mapping_reads_is_given_up_for_its_trigger() -> None:
    """It cannot be told what run it would be."""
    shop = Shop()
    shop.publish(triggers=[{"event": {**PLACED["event"], "inputs": {"tenant": "${event.tenant}"}}}])

    shop.emit("1")
    shop.listen()

    (letter,) = shop.dead()
    assert (letter.burial.only, letter.burial.attempts) == (f"{WORKFLOW}/placed", 1)
    assert "tenant" in letter.burial.reason


@pytest.mark.parametrize("windows", [0, 2])
def test_a_dead_letter_of_one_trigger_is_replayed_to_that_one(shop: Shop, windows: int) -> None:
    """Once its next version takes the input; the other has long had its run, and starts none even after the window."""
    schema = {"type": "object", "required": ["n"]}
    shop.publish(key="test.strict", triggers=[PLACED], input=schema)
    shop.emit("1", data={"m": 1})
    shop.listen()
    shop.publish(key="test.strict", version="2.0.0", triggers=[PLACED])
    shop.clock.move(shop.settings.events_dedupe_ms * windows)

    (letter,) = shop.dead()
    shop.events.replay(letter.id)
    shop.listen()

    assert [len(shop.runs(key)) for key in (WORKFLOW, "test.strict")] == [1, 1]
    assert shop.dead() == []


def test_what_is_no_event_is_given_up_at_once(shop: Shop) -> None:
    """With the reason; what stands beside it is handled."""
    shop.events.append(["nonsense", '{"id": "1"}'])
    shop.emit("1")

    shop.listen()

    reasons = [letter.burial.reason for letter in shop.dead()]
    assert ["not JSON" in reasons[0], "`source` is missing" in reasons[1]] == [True, True]
    assert len(shop.runs()) == 1
    assert shop.listen(later_ms=3_600_000) == 0


def test_the_events_of_a_dead_listener_are_handled_by_another(shop: Shop) -> None:
    """Not before it has been silent for as long as the setting says."""
    shop.emit("1", "2")
    shop.events.read("dead", 10, 0)

    assert shop.listen() == 0
    assert shop.listen(later_ms=shop.settings.events_claim_ms) == 2
    assert len(shop.runs()) == 2


def test_a_listener_keeps_what_it_is_still_at(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so with its announcement, so nobody else claims it."""
    slow, others = Listener(shop.client), list[int]()
    shop.emit("1")

    def deliver(*_: object) -> int:
        shop.clock.move(shop.settings.events_claim_ms)
        slow.announce()
        others.append(shop.listen())
        return 0

    hand_over_by(monkeypatch, deliver)
    slow.turn()

    assert others == [0]
    assert [one.name for one in shop.registry.listeners()] == [slow.name]


def test_of_a_flood_of_near_misses_only_some_are_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a run waits for are handed over, every one."""
    names: list[list[str]] = []
    awaited = frozenset({"order.paid=*", "order.sent"})

    def deliver(_: object, __: object, under: list[str]) -> int:
        names.append(under)
        return 0

    hand_over_by(monkeypatch, deliver)
    monkeypatch.setattr("orchestrator.client.receiving.Receiving.awaited", lambda *_: awaited)

    shop.emit(*map(str, range(2 * TOLD_PER_S)), type_="order.paid")
    shop.emit(*map(str, range(2 * TOLD_PER_S)), type_="order.sent")
    shop.listen()

    assert 1 <= names.count([]) <= 2 * TOLD_PER_S - 1
    assert names.count(["order.sent"]) == 2 * TOLD_PER_S


def test_an_event_whose_handling_fails_is_tried_five_times(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is given up, with the last error, and can be replayed; what came with it is handled at once."""
    hand_over_by(monkeypatch, lambda _, event, __: event["data"]["n"] / 0)
    shop.emit("1", data={"n": 1})
    for tries in range(1, TRIES + 1):
        assert shop.dead() == []
        assert shop.listen(later_ms=shop.settings.events_claim_ms) == 1, tries

    (letter,) = shop.dead()
    assert (letter.burial.attempts, "ZeroDivisionError" in letter.burial.reason) == (TRIES, True)
    assert shop.listen(later_ms=shop.settings.events_claim_ms) == 0
    monkeypatch.undo()
    shop.events.replay(letter.id)
    assert (shop.listen(), len(shop.runs())) == (1, 1)


def test_one_event_that_fails_does_not_fail_the_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are handled together, and if that fails each by itself."""

    def deliver(_: object, event: Any, __: object) -> int:
        return 1 // int(event["id"] != "2")

    hand_over_by(monkeypatch, deliver)
    shop.emit("1", "2", "3")
    shop.listen()

    assert len(shop.runs()) == 3
    assert [one.deliveries for one in shop.events.claim("look", 0, 10)] == [2]


def test_an_event_that_kills_its_listeners_is_given_up(shop: Shop) -> None:
    """After five that did not come back, the sixth does not begin with it."""
    (entry_id,) = shop.emit("1")
    shop.events.read("dead-1", 1, 0)
    for number in range(2, TRIES + 1):
        shop.events.claim(f"dead-{number}", 0, 1)

    shop.listen(later_ms=shop.settings.events_claim_ms)

    (letter,) = shop.dead()
    assert (letter.burial.entry_id, shop.runs()) == (entry_id, [])
    assert "never ended" in letter.burial.reason


def test_while_redis_is_away_nothing_is_acknowledged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same listener claims it again later."""
    shop.emit("1")
    listener = Listener(shop.client)
    monkeypatch.setattr(shop.store, "apply_many", away)
    with pytest.raises(Unreachable):
        listener.turn()
    monkeypatch.undo()

    assert shop.listen(later_ms=shop.settings.events_claim_ms) == 1
    assert (len(shop.runs()), shop.dead()) == (1, [])


def test_a_listener_outlives_what_it_cannot_do(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is away, or full: it waits, goes on, and then handles what it could not."""
    troubles: list[Exception] = [Unreachable("gone"), RuntimeError("full")]
    listener, turn = Listener(shop.client), Listener.turn

    def trouble(listener: Listener, block_ms: int) -> int:
        if troubles:
            raise troubles.pop()
        listener.stop()
        return turn(listener, block_ms)

    monkeypatch.setattr("orchestrator.triggers.listener.PAUSE_S", 0.0)
    monkeypatch.setattr(Listener, "turn", trouble)
    listener.run()

    assert troubles == []


def test_while_the_broker_is_away_runs_are_accepted(shop: Shop) -> None:
    """What it misses the ledger sends."""
    shop.dispatcher.away = True
    shop.emit("1")

    shop.listen()

    assert [run.status() for run in shop.runs()] == ["running"]


def test_a_stopped_listener_ends_after_the_event_in_hand(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of its batch is another's."""
    listener, seen = Listener(shop.client), list[str]()

    def deliver(_: object, event: Any, __: object) -> int:
        seen.append(event["id"])
        listener.stop()
        return 0

    hand_over_by(monkeypatch, deliver)
    shop.emit("1", "2", "3")
    listener.turn()
    listener.run()

    assert seen == ["1"]
    assert shop.listen(later_ms=shop.settings.events_claim_ms) == 2


def test_a_run_of_a_workflow_that_wants_a_ctx_is_started_without(shop: Shop) -> None:
    """Nobody could give one; its defaults are there if it asks for nothing else."""
    wants = {"type": "object", "required": ["user"]}
    has = {"type": "object", "properties": {"language": {"default": "en"}}}
    shop.publish(key="test.wants", triggers=[PLACED], ctx=wants)
    shop.publish(key="test.has", triggers=[PLACED], ctx=has)

    shop.emit("1")
    shop.listen()

    assert [shop.runs(key)[0].describe().ctx for key in ("test.wants", "test.has")] == [{}, {"language": "en"}]


@pytest.mark.parametrize("early", [True, False], ids=["before it waits", "while it waits"])
@pytest.mark.parametrize("value", ["A-1", 7])
def test_a_waiting_step_gets_its_event(early: bool, value: Any) -> None:
    """By type and correlation, whether it waits already or only begins to; another order's is not for it."""
    shop = Shop()
    by = {"event": "event.data.order", "value": "input.order"}
    shop.publish({"id": "paid", "event": {"type": "order.paid", "correlation": by}})
    run = shop.start(input={"order": value})
    if not early:
        shop.work(run, "paid")

    shop.emit("1", data={"order": value}, type_="order.paid")
    shop.emit("2", data={"order": "B-1"}, type_="order.paid")
    shop.listen()
    if early:
        shop.work(run, "paid")

    assert run.result(1)["id"] == "1"
