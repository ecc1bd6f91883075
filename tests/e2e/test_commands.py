"""Commands against a running system: what they print, and the exit codes that scripts rely on."""

from __future__ import annotations

import secrets

import pytest

from orchestrator.spec.loader import load_path
from tests.e2e.command_line import ROOT, orchestrator
from tests.e2e.conftest import Command
from tests.integration.system import until

pytestmark = pytest.mark.integration

GREETING = '{"name": "ada"}'
TRIP_TO_ATLANTIS = '{"city": "Atlantis", "traveller": "Ada Lovelace"}'


def new_id() -> str:
    """A run id that no other test has."""
    return f"run-{secrets.token_hex(4)}"


def test_publishing_again_changes_nothing_and_says_so(command: Command) -> None:
    """One line a version."""
    answer = command("publish", str(ROOT / "specs"))

    assert answer.code == 0
    assert answer.stdout.count("unchanged  ") == len(load_path(ROOT / "specs"))


def test_a_run_that_completes_exits_with_0(command: Command) -> None:
    """Outside a terminal its progress is lines, the last of which says how it ended."""
    answer = command("start", "examples.sequence", "--input", GREETING, "--wait")

    assert answer.code == 0
    assert "greet completed" in answer.stdout
    assert answer.stdout.splitlines()[-1].startswith("✓ completed after")


def test_a_run_that_fails_exits_with_1_and_shows_its_undo(command: Command) -> None:
    """As JSON: the run's description, and nothing else."""
    answer = command("start", "examples.trip-saga", "--input", TRIP_TO_ATLANTIS, "--wait", "--json")

    assert answer.code == 1
    assert (answer.document["status"], answer.document["compensation"]) == ("failed", "completed")
    assert [step["undoes"] for step in answer.document["steps"] if step["undoes"]] == ["hotel", "flight"]


def test_input_comes_from_stdin_too(command: Command) -> None:
    """`-` reads it."""
    answer = command("start", "examples.sequence", "--input", "-", "--wait", "--json", stdin=GREETING)

    assert answer.document["output"] == {"text": "Hello, ADA"}


def test_the_same_id_is_the_same_run(command: Command) -> None:
    """With another input it is a conflict."""
    run = new_id()
    first = command("start", "examples.sequence", "--input", GREETING, "--run-id", run, "--json")

    again = command("start", "examples.sequence", "--input", GREETING, "--run-id", run, "--json")
    other = command("start", "examples.sequence", "--input", '{"name": "bob"}', "--run-id", run, "--json")

    assert first.document["run_id"] == again.document["run_id"] == run
    assert other.code == 1
    assert '"code": "run_conflict"' in other.stderr


def test_watching_goes_on_after_the_event_that_was_seen_last(command: Command) -> None:
    """One event a line, each with the id to go on from."""
    run = new_id()
    command("start", "examples.sequence", "--input", GREETING, "--run-id", run)

    events = command("watch", run, "--json").records
    rest = command("watch", run, "--json", "--after", events[2]["id"])

    assert [event["type"] for event in events][-1] == "run_completed"
    assert rest.code == 0
    assert rest.records == events[3:]


def test_a_wait_that_is_given_up_leaves_the_run_alone(command: Command) -> None:
    """Exit code 1, and the run can still be watched to its end."""
    run = new_id()

    given_up = command(
        "start", "examples.wait", "--input", '{"text": "x"}', "--run-id", run, "--wait", "--timeout", "1s"
    )

    assert given_up.code == 1
    assert "[result_timeout]" in given_up.stderr
    assert command("watch", run).code == 0


def test_a_run_is_shown_with_its_steps_and_its_timeline(command: Command) -> None:
    """For people as for programs."""
    run = new_id()
    command("start", "examples.trip-saga", "--input", TRIP_TO_ATLANTIS, "--run-id", run, "--wait")

    text, document = command("show", run).stdout, command("show", run, "--json").document

    assert "undo flight" in text
    assert "undo begins: hotel, flight" in text
    assert document["run"]["run_id"] == run
    assert document["history"][0]["type"] == "run_started"


def test_runs_are_listed_newest_first(command: Command) -> None:
    """Narrowed down by workflow and status."""
    runs = [new_id(), new_id()]
    for run in runs:
        command("start", "examples.branch", "--input", GREETING, "--run-id", run, "--wait")

    asked = [
        "runs",
        "--workflow",
        "examples.branch",
        "--status",
        "completed",
        "--since",
        "1h",
        "--limit",
        "1",
        "--json",
    ]

    first = command(*asked).document
    second = command(*asked, "--cursor", first["cursor"]).document

    assert [run["run_id"] for run in first["runs"] + second["runs"]] == runs[::-1]
    assert runs[0] in command("runs", "--limit", "100").stdout


def test_a_run_is_cancelled_with_a_reason(command: Command) -> None:
    """Once: after its end there is nothing to cancel."""
    run = new_id()
    command("start", "examples.wait", "--input", '{"text": "x"}', "--run-id", run)

    assert command("cancel", run, "--reason", "changed my mind").code == 0
    watched, again = command("watch", run), command("cancel", run)

    assert watched.code == 1
    assert "cancelled: changed my mind" in watched.stdout
    assert "[run_over]" in again.stderr


def waiting(command: Command, *, input: str = '{"text": "x"}') -> str:  # noqa: A002
    """A run that waits at its timer."""
    run = new_id()
    command("start", "examples.wait", "--input", input, "--run-id", run)
    until(lambda: '"waiting"' in command("show", run, "--json").stdout, "the run waits")
    return run


def test_a_run_is_paused_and_goes_on(command: Command) -> None:
    """Who wanted it and why is in its timeline."""
    run = waiting(command)

    paused = command("pause", run, "--reason", "bank is down")
    shown, listed = command("show", run).stdout, command("runs", "--status", "paused", "--json").document
    resumed = command("resume", run, "--json")

    assert f"run {run}  ◌ paused" in paused.stdout
    assert "bank is down" in shown
    assert run in [one["run_id"] for one in listed["runs"]]
    assert (resumed.code, resumed.document["status"]) == (0, "running")
    assert command("watch", run).code == 0


def test_a_failed_run_is_retried_with_another_input(command: Command) -> None:
    """It goes on as the same run, and completes."""
    run = new_id()
    command("start", "examples.trip-saga", "--input", TRIP_TO_ATLANTIS, "--run-id", run, "--wait")

    retried = command("retry", run, "--input", TRIP_TO_ATLANTIS.replace("Atlantis", "Athens"), "--json")
    watched = command("watch", run)

    assert (retried.code, retried.document["incarnation"]) == (0, 2)
    assert watched.code == 0
    assert "run begun again at flight by" in watched.stdout
    assert "[run_over]" in command("retry", run).stderr


def test_a_signal_reaches_the_step_that_waits_for_it(command: Command) -> None:
    """What it waits for is shown; a name that no step has is refused; the same id again changes nothing."""
    run = new_id()
    ada = '{"user_email": "ada@example.com"}'
    command("start", "order.follow", "--input", '{"order": "o-1"}', "--ctx", ada, "--run-id", run)
    until(lambda: "for event order.shipped of o-1" in command("show", run).stdout, "the run waits")
    command("skip", run, "shipped", "--output", '{"data": {"tracking": "T1"}}')

    refused = command("signal", run, "eaten")
    sent = [command("signal", run, "arrived", "--data", '{"by": "Ada"}', "--id", "parcel-7") for _ in range(2)]

    assert (refused.code, "[signal_not_expected]" in refused.stderr) == (1, True)
    assert [one.code for one in sent] == [0, 0]
    assert command("watch", run).stdout.count("signal arrived has come") == 1


def test_a_step_that_waits_is_skipped_with_an_output(command: Command) -> None:
    """The run goes on behind it at once."""
    run = waiting(command)
    (step,) = (one for one in command("show", run, "--json").document["run"]["steps"] if one["state"] == "waiting")

    skipped = command("skip", run, step["address"], "--output", '{"any": 1}', "--reason", "no time")

    assert skipped.code == 0
    assert command("watch", run).code == 0
    assert f"{step['address']} is left out by" in command("show", run).stdout
    assert "[run_over]" in command("skip", run, step["address"]).stderr


def test_an_undo_is_foreseen(command: Command) -> None:
    """What would be undone, and after it was, that nothing is left; asking for it again changes nothing."""
    run = new_id()
    command("start", "examples.trip-saga", "--input", TRIP_TO_ATLANTIS, "--run-id", run, "--wait")

    text, document = command("undo", run, "--preview").stdout, command("undo", run, "--preview", "--json").document
    again = command("undo", run)

    assert "nothing would be undone" in text
    assert {kept["address"]: kept["why"] for kept in document["kept"]} == {"flight": "undone", "hotel": "undone"}
    assert (again.code, again.stdout.splitlines()[-1]) == (0, "nothing is left to undo")
    assert "[step_not_waiting]" in command("waive", run, "flight").stderr


def test_a_fleet_is_shown_with_its_queues(command: Command) -> None:
    """Whoever takes from them, and how many runs there are."""
    text, document = command("stats").stdout, command("stats", "--json").document

    (worker,) = document["workers"]
    assert worker["concurrency"] > 0
    assert {"name": "default", "waiting": 0, "workers": [worker["name"]]} in document["queues"]
    assert len(document["beats"]) == 1
    assert worker["name"] in text


def test_a_healthy_system_is_found_healthy(command: Command) -> None:
    """With exit code 0, so that a deployment can ask."""
    answer = command("doctor", "--json")

    found = {finding["code"]: finding["level"] for finding in answer.document["findings"]}
    assert "error" not in found.values()
    assert (found["beat"], found["workers"], found["operations"], found["broker"]) == ("ok",) * 4
    assert (answer.code, answer.document["healthy"]) == (0, True)


def test_workers_are_shown_and_told_what_to_do(command: Command) -> None:
    """The queue that they take from names them; what cannot be done exits with 1."""
    (worker,) = command("workers", "--json").document
    (queue,) = [one for one in command("queues", "--json").document["queues"] if one["name"] == "default"]

    answers = [command("workers", verb, worker["name"]) for verb in ("drain", "resume")]
    unknown = command("workers", "drain", "nobody@nowhere", "--json")

    assert queue["workers"] == [worker["name"]]
    assert [(one.code, one.stdout.split()[0]) for one in answers] == [(0, "drains"), (0, "resumes")]
    assert worker["name"] in command("workers", worker["name"]).stdout
    assert unknown.code == 1
    assert '"code": "unknown_worker"' in unknown.stderr


def test_without_a_redis_the_doctor_exits_with_1() -> None:
    """It names what it could not reach, and what to do."""
    answer = orchestrator("doctor", env={"ORCHESTRATOR_REDIS_URL": "redis://127.0.0.1:1/0"})

    assert answer.code == 1
    assert "[redis_unreachable]" in answer.stdout
    assert "[broker_unreachable]" in answer.stdout


def test_unknown_names_exit_with_1(command: Command) -> None:
    """A run and a workflow that are not there."""
    assert "[unknown_run]" in command("show", "nobody").stderr
    assert command("start", "no.such").code == 1


def test_a_redis_that_does_not_answer_exits_with_3() -> None:
    """And the error says how to get one."""
    answer = orchestrator("runs", env={"ORCHESTRATOR_REDIS_URL": "redis://127.0.0.1:1/0"})

    assert answer.code == 3
    assert "[unreachable]" in answer.stderr
    assert "orchestrator dev" in answer.stderr
