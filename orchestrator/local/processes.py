"""Child processes: each in a process group of its own, watched line by line, never left behind."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Self

from orchestrator.clock import elapsed_s
from orchestrator.errors import ProcessFailed
from orchestrator.local import tether

OnLine = Callable[[str, str], None]
"""Called with the process's name and a line of its output, in a thread of its own."""

LINES_KEPT = 2_000
READER_GRACE_S = 5.0


class ManagedProcess:
    """A command in its own process group; what it prints can be waited for, is logged and passed on.

    On Linux it dies with this process, however that ends, if it was started in the main thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log: Path | None = None,
        on_line: OnLine | None = None,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self._env = env
        self._cwd = cwd
        self._log = log
        self._on_line = on_line
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread()
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._silent = True
        self._news = threading.Condition()

    def start(self) -> Self:
        """Start it, or start it again after it has ended."""
        if self.running:
            raise ProcessFailed(f"{self.name} is already running", name=self.name)
        if self._process is not None:
            self.kill()
        self._lines.clear()
        self._silent = False
        self._process = subprocess.Popen(
            _tethered(self.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._env,
            cwd=self._cwd,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name=self.name, daemon=True)
        self._reader.start()
        atexit.register(self.kill)
        return self

    @property
    def running(self) -> bool:
        """Whether its main process is there; a frozen one is."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The main process's id, which is also its group's."""
        return self._started().pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, minus the signal's number if one killed it; None while it runs."""
        return self._started().poll()

    def child_pids(self) -> list[int]:
        """Its direct children, such as a worker's pool processes; Linux only."""
        listings = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for listing in listings for pid in listing.read_text().split()]

    def tail(self, count: int = 20) -> str:
        """The last lines that it printed."""
        with self._news:
            return "\n".join(list(self._lines)[-count:])

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code as soon as it has ended, or None if it still runs after `timeout_s`."""
        with suppress(subprocess.TimeoutExpired):
            return self._started().wait(timeout_s)
        return None

    def wait_for_line(self, text: str, timeout_s: float = 30.0) -> str:
        """The first line since its start that holds `text`; `ProcessFailed` if it ends or time runs out before."""
        with self._news:
            self._news.wait_for(lambda: self._silent or self._line_with(text), timeout_s)
            line = self._line_with(text)
        if line is None:
            why = f"ended with code {self.wait(1.0)}" if self._silent else f"took over {timeout_s:g} s"
            raise ProcessFailed(f"{self.name} {why} before {text!r}:\n{self.tail()}", name=self.name)
        return line

    def terminate(self, grace_s: float = 10.0) -> int:
        """Ask the main process to end (SIGTERM), and kill the group when the grace is over; returns the exit code."""
        self.ask_to_end()
        self.wait(grace_s)
        return self.kill()

    def ask_to_end(self) -> None:
        """SIGTERM to the main process, thawed if need be; returns at once."""
        if self.running:
            self._started().terminate()
            self.thaw()

    def kill(self, *, group: bool = True) -> int:
        """SIGKILL to the group, or to its main process alone (`group=False`); returns the exit code."""
        process = self._started()
        if not group:
            process.kill()
            return process.wait()
        self._signal_group(signal.SIGKILL)
        code = process.wait()
        self._reader.join(READER_GRACE_S)
        atexit.unregister(self.kill)
        return code

    def freeze(self) -> None:
        """SIGSTOP to the group: it stays as it is, and notices nothing."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to the group."""
        self._signal_group(signal.SIGCONT)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise ProcessFailed(f"{self.name} was never started", name=self.name)
        return self._process

    def _signal_group(self, number: signal.Signals) -> None:
        if self.running or self._reader.is_alive():  # once nobody holds its output, its id may be another's
            with suppress(ProcessLookupError, PermissionError):  # all gone, or, on macOS, nobody left but the dead
                os.killpg(self.pid, number)

    def _line_with(self, text: str) -> str | None:
        return next((line for line in self._lines if text in line), None)

    def _read(self, output: IO[str]) -> None:
        with ExitStack() as stack:
            stack.callback(self._fall_silent)
            stack.enter_context(output)
            log = stack.enter_context(self._log.open("a", encoding="utf-8")) if self._log else None
            for text in output:
                with self._news:
                    self._lines.append(text.rstrip("\n"))
                    self._news.notify_all()
                if log:
                    log.write(text)
                    log.flush()
                if self._on_line:
                    self._on_line(self.name, text.rstrip("\n"))

    def _fall_silent(self) -> None:
        with self._news:
            self._silent = True
            self._news.notify_all()


class Fleet:
    """Processes by name that stop together: all are asked, and those that are too slow are killed."""

    def __init__(
        self, *, env: Mapping[str, str] | None = None, logs: Path | None = None, on_line: OnLine | None = None
    ) -> None:
        self._env = env
        self._logs = logs
        self._on_line = on_line
        self._members: dict[str, ManagedProcess] = {}

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> ManagedProcess:
        """Start a new member; its output goes to `NAME.log` in the fleet's folder of logs, if it has one."""
        if name in self._members:
            raise ProcessFailed(f"{name} is in the fleet already; start that one again", name=name)
        log = self._logs / f"{name}.log" if self._logs else None
        process = ManagedProcess(name, command, env=env or self._env, log=log, on_line=self._on_line)
        self._members[name] = process.start()
        return process

    def __getitem__(self, name: str) -> ManagedProcess:
        return self._members[name]

    def __iter__(self) -> Iterator[ManagedProcess]:
        return iter(self._members.values())

    def ended(self) -> list[ManagedProcess]:
        """The members that have ended."""
        return [process for process in self if not process.running]

    def stop(self, grace_s: float = 10.0) -> None:
        """Ask every member to end, wait `grace_s` for all of them together, and kill what is left."""
        for process in self:
            process.ask_to_end()
        deadline = elapsed_s() + grace_s
        for process in self:
            process.wait(max(0.0, deadline - elapsed_s()))
            process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _tethered(command: Sequence[str]) -> Sequence[str]:
    """The command through `tether.py`; in a side thread as it is, for the kernel's tie is to the thread."""
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return command
    return (sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command)
