"""Alerts as operators see them: found, acknowledged, and nothing secret shown."""

from __future__ import annotations

import pytest

from orchestrator.client.alerts import RedisAlertDesk
from orchestrator.client.audit import Actor, Audit
from orchestrator.errors import AlertOver, InvalidRequest, UnknownAlert, UnknownChannel, UnknownDelivery
from orchestrator.settings import Settings
from orchestrator.store.access import MemoryAccess
from orchestrator.store.alerts import AlertRecord, Terms, alert_id
from orchestrator.store.alerts_memory import MemoryAlerts
from tests.unit.surroundings import HandClock

TERMS = Terms(group_ms=0, kept_ms=10**9, tries=1)
CHANNELS = {"ops": "slack://topsecret/hiddenword/token", "hook": {"url": "webhook+https://h/p", "secret": "c" * 40}}


class Office:
    """A desk with alerts on it."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.alerts = MemoryAlerts(self.clock)
        self.access = MemoryAccess(self.clock)
        settings = Settings(alerts=CHANNELS)
        self.desk = RedisAlertDesk(settings, self.alerts, Audit(self.access, Actor("ada", "key-1")))

    def raise_(self, run: str, kind: str = "sla", level: str = "error", workflow: str = "a.b") -> str:
        """An alert; its id."""
        key = f"{kind} {run} {level}"
        made = AlertRecord(alert_id(key, "5-0"), key, kind, level, "t", "x", 5, 5, workflow, "1.0.0", run)
        self.alerts.raise_(made, "5-0", ["ops"], TERMS)
        self.clock.move(1)
        return made.id


@pytest.fixture
def office() -> Office:
    """Nothing on it yet."""
    return Office()


def test_alerts_are_found_by_all_that_is_asked(office: Office) -> None:
    """Newest first."""
    first, second = office.raise_("r1"), office.raise_("r2", "failed", workflow="c.d")
    third = office.raise_("r1", level="critical")
    office.desk.acknowledge(third)

    def found(**asked: str) -> list[str]:
        return [one.id for one in office.desk.list(**asked).alerts]  # type: ignore[arg-type]

    assert found() == [third, second, first]
    assert found(state="open") == [second, first]
    assert found(kind="sla", run="r1") == [third, first]
    assert found(level="error", workflow="a.b") == [first]
    assert found(kind="attention") == []


def test_pages_go_on_behind_what_does_not_fit(office: Office) -> None:
    """Each alert once."""
    wanted = [office.raise_(f"r{number}", "failed" if number % 3 else "sla") for number in range(20)][::3]
    found, cursor = [], None
    while True:
        page = office.desk.list(kind="sla", limit=3, cursor=cursor)
        found += [one.id for one in page.alerts]
        if (cursor := page.cursor) is None:
            break

    assert found == wanted[::-1]


def test_a_page_looks_at_so_many_and_no_more(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be empty, and its cursor goes on."""
    monkeypatch.setattr("orchestrator.client.alerts._LOOKED_AT", 5)
    oldest = office.raise_("r", "failed")
    for number in range(7):
        office.raise_(f"r{number}")

    page = office.desk.list(kind="failed")
    assert page.alerts == ()
    assert page.cursor is not None
    assert [one.id for one in office.desk.list(kind="failed", cursor=page.cursor).alerts] == [oldest]


def test_whoever_may_not_see_a_workflow_sees_none_of_its_alerts(office: Office) -> None:
    """Nor those that are of no workflow."""
    seen, _, _ = office.raise_("r1"), office.raise_("r2", workflow="c.d"), office.raise_("r3", workflow="")

    assert [one.id for one in office.desk.list_seen({}, workflows=("a.*",)).alerts] == [seen]
    with pytest.raises(UnknownAlert):
        office.desk.get_seen(seen, ("c.*",))


def test_acknowledging_is_audited(office: Office) -> None:
    """Who did it, and why; what was refused too."""
    one = office.raise_("r")

    found = office.desk.acknowledge(one, "on it")
    office.desk.resolve(one)
    with pytest.raises(AlertOver):
        office.desk.acknowledge(one)

    assert (found.state, found.acknowledged_by, found.comment) == ("acknowledged", "ada", "on it")
    assert [(entry.action, entry.outcome, entry.reason) for entry in office.access.read(None, 10)] == [
        ("acknowledge_alert", "alert_over", ""),
        ("resolve_alert", "done", ""),
        ("acknowledge_alert", "done", "on it"),
    ]


def test_what_is_not_there_is_said_so(office: Office) -> None:
    """By a code of its own."""
    for asked, refusal in (
        (lambda: office.desk.get("none"), UnknownAlert),
        (lambda: office.desk.resolve("none"), UnknownAlert),
        (lambda: office.desk.test("none"), UnknownChannel),
        (lambda: office.desk.delivery("none"), UnknownDelivery),
        (lambda: office.desk.replay("none"), UnknownDelivery),
        (lambda: office.desk.list(state="odd"), InvalidRequest),
        (lambda: office.desk.list(cursor="odd"), InvalidRequest),
    ):
        with pytest.raises(refusal):
            asked()


def test_a_channel_is_shown_without_what_is_secret(office: Office) -> None:
    """Nor does a text of the settings tell it."""
    told = repr(office.desk.channels()) + repr(Settings(alerts=CHANNELS))

    assert [one.url for one in office.desk.channels()] == ["slack://***", "webhook+https://h/***"]
    assert not [word for word in ("topsecret", "hiddenword", "c" * 40) if word in told]


def test_dead_messages_are_replayed_all_at_once(office: Office) -> None:
    """Or one."""
    for number in range(3):
        office.raise_(f"r{number}")
    for due in office.alerts.take(10, 1_000):
        office.alerts.done(due.delivery.id, 1, "no answer")
    first = office.desk.dead()[0]

    assert office.desk.delivery(first.id).error == "no answer"
    assert office.desk.replay(first.id) == 1
    assert office.desk.replay() == 2
    assert list(office.desk.dead()) == []
