"""Commands about alerts."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import of_alerts
from orchestrator.cli.app import app
from orchestrator.settings import Settings
from orchestrator.store.alerts import AlertRecord, Terms, alert_id
from tests.unit.surroundings import Surroundings


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """A system with a channel, which the commands are connected to."""
    around = Surroundings()
    channels = Settings(alerts={"ops": "slack://topsecret/a/b"}).alerts
    around.client.settings = around.client.settings.model_copy(update={"alerts": channels})
    monkeypatch.setattr(of_alerts, "connect", lambda: around.client)
    return around


def command(*arguments: str) -> Result:
    """What a command answers."""
    return CliRunner().invoke(app, ["alerts", *arguments])


def raised(around: Surroundings, run: str = "r-1") -> str:
    """An alert whose message nobody took; its id."""
    made = AlertRecord(
        alert_id(run, "5-0"), run, "sla", "error", "a.b: SLA breached", "It is late", 5, 5, "a.b", run_id=run
    )
    around.alerts.raise_(made, "5-0", ["ops"], Terms(0, 10**9, 1))
    for due in around.alerts.take(10, 1_000):
        around.alerts.done(due.delivery.id, 1, "no answer")
    return made.id


def test_open_alerts_are_listed(around: Surroundings) -> None:
    """Others if they are asked for; for people and for programs."""
    one = raised(around)
    around.client.alerts.resolve(one)

    assert "no such alerts" in command("list").stdout
    shown = json.loads(command("list", "--state", "any", "--kind", "sla", "--json").stdout)
    assert [(alert["id"], alert["state"]) for alert in shown["alerts"]] == [(one, "resolved")]
    assert "SLA breached" in command("list", "--state", "resolved").stdout


def test_an_alert_is_shown_with_its_messages(around: Surroundings) -> None:
    """And who has seen to it."""
    one = raised(around)

    acknowledged = command("ack", one, "-m", "on it").stdout
    shown = command("show", one).stdout

    assert "acknowledged" in acknowledged
    assert [word for word in ("It is late", "on it", "ops", "dead", "no answer", "r-1") if word not in shown] == []
    assert json.loads(command("resolve", one, "--json").stdout)["state"] == "resolved"
    assert json.loads(command("ack", one, "--json").stderr)["code"] == "alert_over"


def test_channels_are_shown_without_what_is_secret(around: Surroundings) -> None:
    """As the settings name them."""
    shown = command("channels").stdout

    assert "slack://***" in shown
    assert "topsecret" not in shown + command("channels", "--json").stdout


def test_dead_messages_are_shown_and_sent_again(around: Surroundings) -> None:
    """One, or all."""
    raised(around)

    assert "no answer" in command("dead").stdout
    assert "replayed 1 message" in command("replay", "all").stdout
    assert json.loads(command("dead", "--json").stdout) == {"dead": []}


@pytest.mark.parametrize(
    ("error", "word", "code"), [("", "sent to ops", 0), ("no answer", "not sent to ops: no answer", 1)]
)
def test_a_test_says_what_has_come_of_it(around: Surroundings, error: str, word: str, code: int) -> None:
    """It waits for the listener."""

    class Quick:
        def wait(self, _: float) -> None:
            for due in around.alerts.take(10, 1_000):
                around.alerts.done(due.delivery.id, 1, error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("threading.Event", Quick)
        result = command("test", "ops")

    assert (word in result.stdout, result.exit_code) == (True, code)


def test_a_test_that_nobody_sends_says_so(around: Surroundings) -> None:
    """When the time is up."""
    result = command("test", "ops", "--timeout", "0s")

    assert (result.exit_code, "does a listener run?" in result.stdout) == (1, True)
