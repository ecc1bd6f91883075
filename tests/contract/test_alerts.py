"""Laws of alerts and their deliveries, tried in memory and on Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.alerts import NAMED, AlertRecord, Alerts, Due, RedisAlerts, Terms, alert_id
from orchestrator.store.alerts_memory import MemoryAlerts
from orchestrator.store.connection import Connection
from orchestrator.store.keys import Keys

GROUP_MS = 300
TERMS = Terms(group_ms=GROUP_MS, kept_ms=60_000, tries=2)
LEASE_MS = 100


@dataclass(frozen=True, slots=True)
class Desk:
    """Alerts whose clock can be moved."""

    alerts: Alerts
    pass_ms: Callable[[int], None]

    def raise_(self, run: str, *channels: str, occurrence: str = "5-0", terms: Terms = TERMS, **more: str) -> str:
        """An alert of a run; its id."""
        key = more.pop("key", f"failed {run}")
        made = AlertRecord(alert_id(key, occurrence), key, "failed", "error", "t", "x", 5, 5, "a.b", "1.0.0", run)
        self.alerts.raise_(made, occurrence, channels, terms)
        return made.id

    def take(self) -> list[Due]:
        """What is due."""
        return self.alerts.take(10, LEASE_MS)

    def send(self) -> int:
        """Send what is due; how many messages."""
        taken = self.take()
        for one in taken:
            self.alerts.done(one.delivery.id, one.delivery.attempts)
        return len(taken)


@pytest.fixture(params=["memory", "redis"])
def desk(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Desk]:
    """Each law is tried on both."""
    if request.param == "memory":
        now = [1_700_000_000_000]
        yield Desk(MemoryAlerts(lambda: now[0]), lambda ms: now.__setitem__(0, now[0] + ms))
        return
    server: LocalRedis = request.getfixturevalue("redis_server")
    connection, alerts = Connection(server.url()), RedisAlerts(server.url(), settings)

    def pass_ms(ms: int) -> None:
        until = connection.time_ms() + ms
        while connection.time_ms() < until:
            pass

    yield Desk(alerts, pass_ms)
    alerts.close()
    connection.close()


def test_what_happens_again_counts_up(desk: Desk) -> None:
    """Under the same key nothing is sent a second time."""
    first = desk.raise_("r", "ops", occurrence="5-0")
    desk.raise_("r", "ops", occurrence="5-1")
    desk.raise_("r", "ops", occurrence="10-0")

    (found,) = desk.alerts.page(None, None, 10)

    assert (found.id, found.count, found.state) == (first, 3, "open")
    assert len(desk.take()) == 1


def test_an_occurrence_counts_once(desk: Desk) -> None:
    """A reader that is given its events again raises nothing again; neither after the alert was resolved."""
    first = desk.raise_("r", occurrence="5-0")
    desk.raise_("r", occurrence="5-0")
    desk.raise_("r", occurrence="4-9")
    desk.alerts.change(first, "resolved", "ada")
    desk.raise_("r", occurrence="5-0")

    (found,) = desk.alerts.page(None, None, 10)

    assert (found.count, found.state) == (1, "resolved")


def test_after_it_was_resolved_the_same_is_a_new_alert(desk: Desk) -> None:
    """One that is acknowledged is still the same."""
    first = desk.raise_("r", occurrence="5-0")
    desk.alerts.change(first, "acknowledged", "ada", "on it")
    desk.raise_("r", occurrence="6-0")
    desk.alerts.change(first, "resolved", "ada")
    second = desk.raise_("r", occurrence="7-0")

    assert first != second
    assert [(one.id, one.count) for one in desk.alerts.page("resolved", None, 10)] == [(first, 2)]
    assert [one.id for one in desk.alerts.unresolved(["r", "other"])] == [second]


def test_who_acknowledged_stands(desk: Desk) -> None:
    """A second acknowledgement changes nothing, and nothing changes what is resolved."""
    one = desk.raise_("r")

    changes = [
        desk.alerts.change(one, "acknowledged", "ada", "on it"),
        desk.alerts.change(one, "acknowledged", "bob", "me too"),
        desk.alerts.change(one, "resolved", "bob"),
        desk.alerts.change(one, "acknowledged", "cy"),
    ]

    assert [change and change[0] for change in changes] == [True, False, True, False]
    found = desk.alerts.get(one)
    assert found is not None
    assert (found.acknowledged_by, found.comment, found.resolved_by, found.state) == ("ada", "on it", "bob", "resolved")
    assert found.resolved_at >= found.acknowledged_at > 0
    assert desk.alerts.counts() == {"open": 0, "acknowledged": 0, "resolved": 1}
    assert desk.alerts.change("none", "resolved", "ada") is None


def test_pages_go_on_where_they_ended(desk: Desk) -> None:
    """Newest first, each once, also where several were raised at one moment."""
    raised = [desk.raise_(f"r{number}") for number in range(7)]
    pages, before = [], None
    while page := desk.alerts.page("open", before, 3):
        pages.append([one.id for one in page])
        before = page[-1].place

    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(one for page in pages for one in page) == sorted(raised)


def test_a_delivery_in_hand_is_nobody_elses(desk: Desk) -> None:
    """Until its time is over: whoever had it may be dead. It keeps its id, and the attempt counts."""
    one = desk.raise_("r", "ops")

    (first,) = desk.take()
    assert desk.take() == []
    desk.pass_ms(LEASE_MS + 1)
    (second,) = desk.take()

    assert (first.delivery.id, first.delivery.attempts) == (second.delivery.id, 1)
    assert (second.delivery.attempts, second.alerts[0].id) == (2, one)


def test_what_was_sent_is_not_due_again(desk: Desk) -> None:
    """Also if whoever sent it has not had it in hand any more."""
    desk.raise_("r", "ops", "mail")
    taken = desk.take()
    desk.pass_ms(LEASE_MS + 1)
    again = desk.take()

    states = [desk.alerts.done(one.delivery.id, one.delivery.attempts) for one in taken]
    stale = [desk.alerts.done(one.delivery.id, one.delivery.attempts, "broken", 0) for one in again]

    assert (states, stale) == (["sent", "sent"], ["sent", "sent"])
    desk.pass_ms(LEASE_MS + 1)
    assert desk.take() == []


def test_a_failed_delivery_is_tried_again_later_then_dead(desk: Desk) -> None:
    """And a dead one can be replayed, with all its tries."""
    desk.raise_("r", "ops")
    (first,) = desk.take()
    id_ = first.delivery.id

    assert desk.alerts.done(id_, 1, "no answer", again_in_ms=20) == "pending"
    assert desk.take() == []
    desk.pass_ms(21)
    desk.take()
    assert desk.alerts.done(id_, 2, "refused", again_in_ms=20) == "dead"
    (dead,) = desk.alerts.dead(10)
    assert desk.alerts.dead_count() == 1
    assert (dead.id, dead.error, dead.attempts) == (id_, "refused", 2)

    assert [desk.alerts.replay(id_), desk.alerts.replay(id_), desk.alerts.replay("none")] == [True, False, False]
    assert [one.delivery.attempts for one in desk.take()] == [1]
    assert desk.alerts.dead(10) == []


def test_a_failure_of_who_has_lost_the_delivery_changes_nothing(desk: Desk) -> None:
    """Another has it in hand."""
    desk.raise_("r", "ops")
    (first,) = desk.take()
    desk.pass_ms(LEASE_MS + 1)
    desk.take()

    assert desk.alerts.done(first.delivery.id, 1, "no answer", 0) == "sending"
    assert desk.take() == []
    assert desk.alerts.done("none", 1) is None


def test_a_delivery_that_kills_whoever_sends_it_dies(desk: Desk) -> None:
    """After its last try, when the time for it is over."""
    desk.raise_("r", "ops")
    for _ in range(TERMS.tries):
        assert len(desk.take()) == 1
        desk.pass_ms(LEASE_MS + 1)

    assert desk.take() == []
    assert [one.state for one in desk.alerts.dead(10)] == ["dead"]


def test_the_first_goes_at_once_and_what_follows_as_one(desk: Desk) -> None:
    """However many they are: at the end of the window, with their number and the first of them."""
    ids = [desk.raise_(f"r{number}", "ops") for number in range(NAMED + 5)]

    (first,) = desk.take()
    assert first.delivery.alerts == (ids[0],)
    desk.alerts.done(first.delivery.id, 1)
    desk.pass_ms(GROUP_MS + 1)
    (rest,) = desk.take()

    assert (rest.delivery.count, rest.delivery.alerts) == (NAMED + 4, tuple(ids[1 : NAMED + 1]))
    last = desk.alerts.get(ids[-1])
    assert last is not None
    assert last.deliveries == {"ops": rest.delivery.id}


def test_a_storm_is_a_message_a_window(desk: Desk) -> None:
    """What comes after a gathered message is gathered again; after a quiet window, the first goes at once."""
    number = count()
    for _ in range(2):
        desk.raise_(f"r{next(number)}", "ops")
    desk.pass_ms(GROUP_MS + 1)
    assert desk.send() == 2
    desk.raise_(f"r{next(number)}", "ops")
    assert desk.send() == 0
    desk.pass_ms(3 * GROUP_MS)
    assert desk.send() == 1

    desk.raise_(f"r{next(number)}", "ops")

    assert desk.send() == 1


def test_nothing_is_gathered_without_a_window(desk: Desk) -> None:
    """Each goes by itself."""
    terms = Terms(group_ms=0, kept_ms=60_000, tries=2)
    for number in range(3):
        desk.raise_(f"r{number}", "ops", terms=terms)

    assert [one.delivery.count for one in desk.take()] == [1, 1, 1]


def test_a_test_has_one_try(desk: Desk) -> None:
    """And no alert."""
    desk.alerts.test("ops", "trial")

    (due,) = desk.take()

    assert (due.delivery.kind, due.delivery.alerts, due.alerts) == ("test", (), ())
    assert desk.alerts.done("trial", 1, "no answer", 0) == "dead"
    assert desk.alerts.deliveries(["trial", "none"]).keys() == {"trial"}


def test_alerts_are_deleted_by_age(desk: Desk) -> None:
    """With their deliveries, when the next one is raised; what happens again then is new."""
    old = desk.raise_("r", "ops")
    desk.pass_ms(20)

    new = desk.raise_("n", terms=Terms(group_ms=0, kept_ms=10, tries=1))

    assert [one.id for one in desk.alerts.page(None, None, 10)] == [new]
    assert desk.take() == []
    assert desk.alerts.unresolved(["r"]) == []
    assert desk.raise_("r", occurrence="5-0") == old
    assert desk.alerts.get(old) is not None


def test_nothing_is_left_of_a_deleted_alert(redis_server: LocalRedis, settings: Settings) -> None:
    """In no key: of two alerts, only the names of the second are there."""
    alerts, connection = RedisAlerts(redis_server.url(), settings), Connection(redis_server.url())
    for run, terms in (("old", TERMS), ("new", Terms(0, 60_000, 1, most=0))):
        made = AlertRecord(alert_id(run, "5-0"), run, "failed", "error", "t", "x", 5, 5, "a.b", run_id=run)
        alerts.raise_(made, "5-0", [], terms)

    kept = Keys(settings.namespace, settings.shards)
    names = [kept.alerts_of_runs(), kept.alerts(), kept.of_alerts(())[2]]
    assert [connection.execute("HLEN", name) for name in names] == [1, 1, 1]
    alerts.close()
    connection.close()


def test_the_oldest_alerts_make_room(desk: Desk) -> None:
    """However young they are: so many are kept, and the one that came."""
    raised = []
    for number in range(4):
        raised.append(desk.raise_(f"r{number}", terms=Terms(group_ms=0, kept_ms=60_000, tries=1, most=2)))
        desk.pass_ms(2)

    assert [one.id for one in desk.alerts.page(None, None, 10)] == raised[:0:-1]
