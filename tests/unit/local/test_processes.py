"""Child processes: in groups of their own, watched line by line, never left behind."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.errors import ProcessFailed
from orchestrator.local import ManagedProcess

DEADLINE_S = 20.0
LISTEN = "import signal; print('ready', flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LISTEN}"
FAMILY = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {LISTEN!r}]).wait()"
POLITE = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); {LISTEN}"
ORPHANING = f"""
import signal, sys
from orchestrator.local import ManagedProcess
child = ManagedProcess("child", [sys.executable, "-c", {LISTEN!r}]).start()
child.wait_for_line("ready")
print(child.pid, flush=True)
signal.pause()
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="watches processes as Linux shows them")
Start = Callable[..., ManagedProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python code as a process, killed when the test is over."""
    started: list[ManagedProcess] = []

    def start(code: str, *, until: str = "ready", **options: object) -> ManagedProcess:
        process = ManagedProcess("child", [sys.executable, "-c", code], **options)  # type: ignore[arg-type]
        started.append(process.start())
        if until:
            process.wait_for_line(until, DEADLINE_S)
        return process

    yield start
    for process in started:
        process.kill()


def assert_gone(pid: int) -> None:
    """Wait for the end of a process that need not be a child."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        ended, _, _ = select.select([handle], [], [], DEADLINE_S)
        os.close(handle)
        assert ended, f"{pid} is still there"


def test_a_line_is_found_whether_it_was_printed_before_or_after_the_question(start: Start) -> None:
    """Waiting for a line misses none since the start."""
    process = start("print('first\\nsecond\\nthird', flush=True)", until="third")

    assert process.wait_for_line("sec", DEADLINE_S) == "second"


def test_an_end_before_the_line_is_reported_with_the_exit_code_and_the_last_words(start: Start) -> None:
    """Who waits for a process that is over learns why."""
    process = start("import sys; print('no disk'); sys.exit(3)", until="")

    with pytest.raises(ProcessFailed, match=r"(?s)ended with code 3.*no disk"):
        process.wait_for_line("ready", DEADLINE_S)


def test_a_silent_process_is_given_up_after_the_time_allowed(start: Start) -> None:
    """A wait for a line has a deadline; the process goes on."""
    process = start(LISTEN)

    with pytest.raises(ProcessFailed, match=r"took over 0\.05 s"):
        process.wait_for_line("never", timeout_s=0.05)

    assert process.running


def test_output_reaches_the_log_and_the_callback(start: Start, tmp_path: Path) -> None:
    """Every line goes to the log file and, with the process's name, to whoever listens."""
    heard: list[tuple[str, str]] = []
    log = tmp_path / "child.log"

    process = start("print('héllo\\nbye')", until="", log=log, on_line=lambda *line: heard.append(line))
    process.wait(DEADLINE_S)
    process.kill()

    assert heard == [("child", "héllo"), ("child", "bye")]
    assert log.read_text(encoding="utf-8") == "héllo\nbye\n"


def test_terminate_lets_a_process_end_in_its_own_way(start: Start) -> None:
    """SIGTERM comes first, and the exit code is the process's own."""
    process = start(POLITE)

    assert process.terminate(DEADLINE_S) == 7


def test_terminate_kills_who_does_not_listen(start: Start) -> None:
    """After the grace comes SIGKILL."""
    process = start(DEAF)

    assert process.terminate(grace_s=0.05) == -signal.SIGKILL


def test_terminate_reaches_a_frozen_process(start: Start) -> None:
    """A process that was frozen is thawed to hear that it must end."""
    process = start(POLITE)
    process.freeze()

    assert process.terminate(DEADLINE_S) == 7


@on_linux
def test_a_frozen_process_stands_still_until_it_is_thawed(start: Start) -> None:
    """Freezing stops the group without ending it; thawing goes on."""
    process = start(LISTEN)

    process.freeze()
    stopped = os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    process.thaw()
    continued = os.waitid(os.P_PID, process.pid, os.WCONTINUED)

    assert (stopped and stopped.si_code, continued and continued.si_code) == (os.CLD_STOPPED, os.CLD_CONTINUED)
    assert process.running


@on_linux
def test_kill_takes_the_children_too(start: Start) -> None:
    """A killed process leaves nothing of its group."""
    process = start(FAMILY)
    (child,) = process.child_pids()

    assert process.kill() == -signal.SIGKILL

    assert_gone(child)


@on_linux
def test_kill_of_the_main_process_alone_leaves_the_children_until_the_next_start(start: Start) -> None:
    """What a dead main process left behind is cleared away before it is started again."""
    process = start(FAMILY)
    (child,) = process.child_pids()

    process.kill(group=False)
    os.kill(child, 0)
    process.start()

    assert_gone(child)


def test_after_a_new_start_the_old_lines_are_forgotten(start: Start) -> None:
    """`ready` means the process that runs now."""
    process = start("print('ready')")
    process.wait(DEADLINE_S)
    process.command = (sys.executable, "-c", "print('other')")

    process.start()

    with pytest.raises(ProcessFailed, match="other"):
        process.wait_for_line("ready", DEADLINE_S)


def test_a_running_process_is_not_started_twice(start: Start) -> None:
    """The first would be lost."""
    process = start(LISTEN)

    with pytest.raises(ProcessFailed, match="already running"):
        process.start()


def test_a_process_that_was_never_started_has_no_id() -> None:
    """Asking is an error, not a signal to somebody else."""
    with pytest.raises(ProcessFailed, match="never started"):
        _ = ManagedProcess("child", ["true"]).pid


@on_linux
def test_a_process_dies_with_its_parent_even_if_that_is_killed() -> None:
    """SIGKILL leaves the parent no time to clean up, so the kernel does it."""
    with subprocess.Popen([sys.executable, "-c", ORPHANING], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())

        parent.kill()

    assert_gone(child)


def test_a_process_started_in_a_side_thread_outlives_the_thread(start: Start) -> None:
    """The kernel's tie is to a thread, so only the main one makes it."""
    started: list[ManagedProcess] = []
    thread = threading.Thread(target=lambda: started.append(start(LISTEN)))

    thread.start()
    thread.join(DEADLINE_S)

    assert started[0].wait(0.2) is None
