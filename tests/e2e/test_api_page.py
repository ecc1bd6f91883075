"""The page on the HTTP API: each of its requests, as it is written, in a shell."""

from __future__ import annotations

import re
import subprocess

import httpx
import pytest

from orchestrator.local import ManagedProcess
from orchestrator.local.redis_server import free_port
from tests.e2e.command_line import LIMIT_S, ROOT, SCRIPT
from tests.e2e.conftest import Command, Dev
from tests.integration.system import until

pytestmark = pytest.mark.integration

REQUESTS = re.findall(r"^\$ (curl .*)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)


def test_every_request_of_the_page_is_answered(dev: Dev) -> None:
    """In the order in which they stand there, with a status below 400."""
    address = f"http://127.0.0.1:{dev.env['ORCHESTRATOR_API_PORT']}/api/v1"
    env = {"API": address, "AUTH": "Authorization: Bearer none-is-asked-for", "PATH": dev.env["PATH"]}

    failed = []
    for request in REQUESTS:
        if "/result" in request:
            until(lambda: httpx.get(f"{address}/runs/order-17/result").is_success, "the run is over")
        command = request.replace("curl ", "curl -sS --fail-with-body ")
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=env, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        failed += [(request, done.stdout, done.stderr)] if done.returncode else []

    assert len(REQUESTS) > 25
    assert failed == []


def test_keys_are_made_listed_and_revoked(command: Command, dev: Dev) -> None:
    """The token is shown once; the audit log names whoever made it."""
    made = command(
        "keys", "create", "shop", "starter", "--workflow", "examples.*", "--expires", "1h", "--json"
    ).document
    listed = command("keys", "list", "--json")
    revoked = command("keys", "revoke", made["id"], "--reason", "lost").stdout
    shown = command("keys", "list").stdout

    assert made["token"].startswith(f"orc_{made['id']}_")
    assert made["id"] in listed.stdout
    assert made["token"] not in listed.stdout
    assert f"key {made['id']}, starter shop" in revoked
    assert "revoked" in shown
    assert "[unknown_key]" in command("keys", "revoke", "nobody").stderr
    url = f"http://127.0.0.1:{dev.env['ORCHESTRATOR_API_PORT']}/api/v1/audit"
    newest = httpx.get(url).json()["entries"][1]
    assert (newest["action"], newest["target"], newest["reason"]) == ("revoke_key", f"keys/{made['id']}", "lost")


def test_the_command_becomes_the_server(dev: Dev) -> None:
    """It asks for keys by default, and ends well when it is told to."""
    port = free_port()
    process = ManagedProcess("api", [str(SCRIPT), "api", "--port", str(port)], env=dev.env, cwd=ROOT)

    process.start().wait_for_line("Uvicorn running", 60.0)
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/runs")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    process.terminate()
    assert "Finished server process" in process.tail()
