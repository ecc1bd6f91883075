"""Sending: what is tried again, what is given up, and what a message says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from orchestrator.errors import NotDelivered, Unreachable
from orchestrator.monitor.delivering import LEASES, Delivering
from orchestrator.monitor.messages import Message
from orchestrator.settings import AlertChannel, Settings
from orchestrator.store.alerts import AlertRecord, Terms, alert_id
from orchestrator.store.alerts_memory import MemoryAlerts
from tests.unit.surroundings import HandClock

LEASE_MS = LEASES * Settings().alert_timeout_ms
TERMS = Terms(group_ms=60_000, kept_ms=10**9, tries=3)


class Post:
    """Alerts, and a channel that answers as the test says; the last answer stands."""

    def __init__(self, *answers: Exception | None, channels: Sequence[str] = ("ops",)) -> None:
        self.clock = HandClock()
        self.alerts = MemoryAlerts(self.clock)
        self.settings = Settings(
            alerts={name: AlertChannel.model_validate("json://127.0.0.1") for name in channels},
            alert_retry_ms=[1_000, 5_000],
        )
        self.sent: list[Message] = []
        self._answers = list(answers) or [None]

    def deliver(self, _: AlertChannel, message: Message, timeout_s: float) -> None:
        """Note the message, and answer."""
        self.sent.append(message)
        answer = self._answers[min(len(self.sent), len(self._answers)) - 1]
        if answer is not None:
            raise answer

    def sender(self) -> Delivering:
        """A listener."""
        return Delivering(self.settings, self.alerts, self.deliver)

    def raise_(self, run: str = "r", channel: str = "ops") -> AlertRecord:
        """An alert of a run."""
        title, key = "a.b: run failed", f"failed {run}"
        made = AlertRecord(
            alert_id(key, "5-0"), key, "failed", "error", title, "It failed", 5, 5, "a.b", "1.0.0", run, "s"
        )
        self.alerts.raise_(made, "5-0", [channel], TERMS)
        return made

    def states(self) -> list[tuple[str, int, str]]:
        """State, attempts and error of every delivery."""
        ids = [id_ for one in self.alerts.page(None, None, 100) for id_ in one.deliveries.values()]
        return [(one.state, one.attempts, one.error) for one in self.alerts.deliveries(ids).values()]


def test_an_alert_is_sent_once() -> None:
    """However many listeners look."""
    post = Post()
    post.raise_()

    assert [sender.turn() for sender in (post.sender(), post.sender(), post.sender())] == [1, 0, 0]
    assert post.states() == [("sent", 1, "")]


def test_what_is_not_taken_is_tried_after_pauses_and_then_given_up() -> None:
    """Each longer than the one before; the id stays."""
    post = Post(NotDelivered("no answer"))
    post.raise_()
    sender, moments = post.sender(), []

    for _ in range(100):
        if sender.turn():
            moments.append(post.clock.now_ms)
        post.clock.move(500)

    assert [later - sooner for sooner, later in pairwise(moments)] == [1_000, 5_000]
    assert post.states() == [("dead", 3, "no answer")]
    assert len({message.id for message in post.sent}) == 1


def test_a_replayed_message_has_all_its_tries_again() -> None:
    """And is the same message."""
    post = Post(*[NotDelivered("no answer")] * 3, None)
    post.raise_()
    sender = post.sender()
    for _ in range(20):
        sender.turn()
        post.clock.move(1_000)

    (dead,) = post.alerts.dead(10)
    post.alerts.replay(dead.id)
    sender.turn()

    assert post.states() == [("sent", 1, "")]
    assert {message.id for message in post.sent} == {dead.id}


def test_who_dies_between_taking_and_saying_so_is_replaced() -> None:
    """When its time is over, another sends it: at least once."""
    post = Post()
    post.raise_()
    post.alerts.take(10, LEASE_MS)

    assert post.sender().turn() == 0
    post.clock.move(LEASE_MS)
    post.sender().turn()

    assert post.states() == [("sent", 2, "")]


def test_a_broken_library_is_one_messages_affair() -> None:
    """The others are sent."""
    post = Post(RuntimeError("ada:secret@host"), None)
    post.raise_("r1")
    post.raise_("r2", "mail")
    post.settings = Settings(alerts={"ops": "json://127.0.0.1", "mail": "json://127.0.0.1"})

    post.sender().turn()

    assert sorted(post.states()) == [("pending", 1, "RuntimeError while it was sent"), ("sent", 1, "")]


def test_a_channel_that_the_settings_have_no_more_is_said_so() -> None:
    """It may be another listener's."""
    post = Post(channels=("mail",))
    post.raise_()

    post.sender().turn()

    ((state, _, error),) = post.states()
    assert (state, error.startswith("no channel is named ops")) == ("pending", True)


def test_many_alerts_are_one_message() -> None:
    """With their number and the first of them by name, as text and as JSON."""
    post = Post()
    for number in range(15):
        post.raise_(f"r{number}")
    sender = post.sender()
    sender.turn()
    post.clock.move(60_000)
    sender.turn()

    first, many = post.sent
    assert (first.title, many.title) == ("[error] a.b: run failed", "[error] a.b: 14 × run failed")
    assert first.text.splitlines()[2:4] == ["run: r0", "step: s"]
    assert many.text.splitlines()[0] == "r1: It failed"
    assert many.text.splitlines()[-1] == "and 4 more"
    assert (many.payload["data"]["count"], len(many.payload["data"]["alerts"])) == (14, 10)


def test_a_test_says_that_it_is_one() -> None:
    """And nothing else."""
    post = Post()
    post.alerts.test("ops", "trial")

    post.sender().turn()

    (message,) = post.sent
    assert (message.id, message.payload["type"], message.payload["data"]["alerts"]) == ("trial", "alert.test", [])


def test_without_redis_it_waits_and_goes_on() -> None:
    """And it ends when it is told to."""
    post = Post()
    sender = post.sender()
    calls: list[int] = []

    def away(*_: object) -> None:
        calls.append(1)
        sender.stop()
        raise Unreachable("Redis does not answer")

    post.alerts.take = away  # type: ignore[method-assign,assignment]

    sender.run()

    assert calls == [1]
