"""A secret goes through a run by every way in; what `redact` names is looked for on every way out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from orchestrator.api.app import create_app
from orchestrator.client.access import create_key
from orchestrator.client.audit import Actor, Audit
from orchestrator.client.events import RedisExternalEvents
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.receiving import Receiving
from orchestrator.client.redaction import MASK, mask_of_lines
from orchestrator.dashboard.look.json_view import json_view
from orchestrator.errors import OperationError
from orchestrator.monitor.causes import Cause, cause_of
from orchestrator.monitor.messages import Message, message_of
from orchestrator.monitor.spans import READS, Told, spans_until
from orchestrator.store.access import MemoryAccess
from orchestrator.store.alerts import AlertRecord, DeliveryRecord, Due
from orchestrator.store.events import Burial
from tests.unit.archived import ArchivedSurroundings
from tests.unit.surroundings import Surroundings, made

pytestmark = pytest.mark.timeout(method="thread")
"""An operation's deadline takes the alarm that pytest-timeout would ring."""

SECRETS = {name: f"hush-{name}-4711" for name in ("input", "ctx", "output", "error", "signal", "form", "event")}
STEPS: tuple[dict[str, Any], ...] = (
    {"id": "make", "operation": "do.make", "inputs": "${input}", "compensation": "undo.write"},
    {"id": "told", "event": {"signal": "go"}},
    {"id": "heard", "event": {"type": "paid", "correlation": {"event": "event.data.n", "value": "input.n"}}},
    {"id": "ask", "approval": {"users": ["ann"]}},
    {"id": "fail", "operation": "do.fail", "inputs": {"pin": "${input.pin}"}},
)
REDACT = ["input.pin", "ctx.pin", "steps.*.output.pin", "steps.*.output.data.pin", "steps.*.output.form.pin"]


def make(_: Any) -> Any:
    """Return a secret of its own."""
    return {"pin": SECRETS["output"]}


def fail(given: Any) -> Any:
    """Say what is secret in the message and in a field of the details."""
    details = {"pin": SECRETS["error"], "given": given["pin"]}
    raise OperationError("declined", f"{given['pin']} was declined", details=details, retryable=False)


@pytest.fixture(params=[[*REDACT, "error.details.pin", "steps.*.error.details.pin"], ["**.pin"]], ids=["paths", "deep"])
def ended(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ArchivedSurroundings, RedisRunHandle]:
    """A run that took a secret in by every way, failed, and was undone."""
    around = ArchivedSurroundings(tmp_path, monkeypatch)
    around.archive.upgrade()
    for key, function in (("do.make", make), ("do.fail", fail)):
        around.operations.register(made(key, function))
    around.client.audit = Audit(MemoryAccess(around.clock), Actor("ada"))
    around.publish(*STEPS, redact=request.param)
    run = around.start(input={"pin": SECRETS["input"], "n": 1}, ctx={"pin": SECRETS["ctx"]})
    around.work(run, "make")
    around.work(run, "told")
    run.signal("go", {"pin": SECRETS["signal"]})
    around.work(run, "told")
    around.work(run, "heard")
    data = {"pin": SECRETS["event"], "n": 1}
    event = {"id": "e", "type": "paid", "source": "/bank", "time": "2023-11-14T22:13:20Z", "data": data}
    Receiving(around.settings, around.store, around.client.catalogue, around.dispatcher).deliver(event, ["paid"])
    around.work(run, "heard")
    around.work(run, "ask")
    around.client.approvals.decide(run.run_id, "ask", "approve", by="ann", form={"pin": SECRETS["form"]})
    for address in ("ask", "fail", "~", "make~"):
        around.work(run, address)
    return around, run


def answers(around: Surroundings, run_id: str) -> Iterator[str]:
    """What the API answers about a run."""
    app = create_app(around.client)
    app.state.client = around.client
    key = create_key(around.client.access, Audit(), user="vera", role="operator")
    client = TestClient(app, headers={"Authorization": f"Bearer {key.token}"})
    for path in ("", "/history", "/result", "/why", "/undo-preview"):
        yield client.get(f"http://127.0.0.1/api/v1/runs/{run_id}{path}").text
    yield client.get("http://127.0.0.1/api/v1/runs").text


def messages(causes: Iterable[Cause]) -> Iterator[Message | None]:
    """What channels and webhooks are sent about alerts."""
    for cause in causes:
        alert = AlertRecord("a", "k", cause.kind, cause.level, cause.what, cause.text, 1, 1)
        delivery = DeliveryRecord("d", "hook", cause.kind, "", "sending", ("a",), 1, 1, 9, 1, 1, 0, "")
        yield message_of(Due(delivery, (alert,)))


def ways_out(around: Surroundings, run: RedisRunHandle) -> Iterator[tuple[str, Any]]:
    """Everything that tells of a run, by name."""
    client = around.client
    description, history = run.describe(), run.history()
    yield "description", description.to_json()
    yield "history", [entry.event for entry in history]
    yield "list", [one.to_json() for one in client.search().runs]
    yield "why", run.why()
    yield "preview", run.undo_preview()
    yield "audit", client.access.read(None, 100)
    yield "page", [str(json_view(value)) for value in (description.input, description.error, description.output)]
    stored = around.store.history(run.run_id)
    values = around.store.read(run.run_id, ("workflow", "version", "error"))[1]
    causes = [cause for entry in stored if (cause := cause_of(entry.event, values))]
    yield "alerts", [*causes, *messages(causes)]
    yield "API", [*answers(around, run.run_id)]
    told = Told("o", run.run_id, around.store.read(run.run_id, READS)[1])
    yield "traces", [*spans_until(stored[-1].id, told, stored, None)]


def test_what_redact_names_is_on_no_way_out(ended: tuple[ArchivedSurroundings, RedisRunHandle]) -> None:
    """Whether a path leads to it or `**` does."""
    around, run = ended
    stored = json.dumps(around.store.read_all(run.run_id)[1])
    assert [name for name, secret in SECRETS.items() if secret not in stored] == [], "all of them were in the run"

    leaks = [(way, name) for way, told in ways_out(around, run) for name in SECRETS if SECRETS[name] in repr(told)]

    assert run.describe().status == "failed"
    assert leaks == []
    assert MASK in repr(run.describe())


def test_what_redact_names_is_on_no_way_out_of_the_archive(
    ended: tuple[ArchivedSurroundings, RedisRunHandle],
) -> None:
    """Which keeps it, as Redis did."""
    around, run = ended
    around.move_all()

    told = [run.describe(), run.history(), around.client.search().runs, [*answers(around, run.run_id)]]

    assert run.describe().archived
    assert [name for name, secret in SECRETS.items() if secret in repr(told)] == []
    assert MASK in repr(told)


def test_events_are_shown_without_what_the_settings_name() -> None:
    """Those that came and those that were given up; whoever waits for them gets them whole."""
    around = Surroundings()
    settings = around.settings.model_copy(update={"redact": ["event.data.pin", "**.token"]})
    events = RedisExternalEvents(settings, around.events)
    body = json.dumps({"specversion": "1.0", "type": "paid", "id": "1", "source": "/s", "data": {"pin": 1, "token": 2}})
    around.events.append([body, "no JSON"])
    around.events.bury([Burial("1-0", body, "no trigger")])

    first, second = events.tail()
    (dead,) = events.dead()

    assert first.event is not None
    assert first.event.data == {"pin": MASK, "token": MASK} == json.loads(first.body)["data"]
    assert json.loads(dead.body)["data"] == {"pin": MASK, "token": MASK}
    assert second.body == "no JSON"
    assert around.events.newest(2)[0].body == body


def test_fields_of_log_lines_are_masked_by_the_last_name_of_a_path() -> None:
    """Where the value stood in the run, a line does not tell; a path that ends in any part is one of its last name."""
    mask = mask_of_lines("input.card.number", "steps.*.output.keys.*", "ctx.pins.**")

    assert mask is not None
    assert mask({"a": {"number": 1}, "keys": [2], "pins": {"x": 3}, "card": "4", "text": "number 5"}) == {
        "a": {"number": MASK},
        "keys": MASK,
        "pins": MASK,
        "card": "4",
        "text": "number 5",
    }
