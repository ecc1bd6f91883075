"""A PostgreSQL server of our own on a loopback port, made of Debian's package; tests that need one are skipped without.

PostgreSQL does not run as root, so for root it runs as `postgres` or `nobody`.
"""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg
import pytest

from orchestrator.clock import elapsed_s
from orchestrator.local.redis_server import LOOPBACK, free_port

MISSING = "PostgreSQL is not installed; on Debian and Ubuntu: apt-get install postgresql"
_SUPERUSER = "tests"


def server_folder() -> Path | None:
    """The folder of `initdb` and `postgres`, of the newest version that is installed; None if none is."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found += [Path(path).parent for path in [shutil.which("initdb")] if path]
    newest = sorted(found, key=lambda path: (path.parent.name.isdecimal(), path.parent.name.zfill(4)))
    return newest[-1] if newest else None


class LocalPostgres:
    """A server with a folder of its own; `create` makes databases, `stop` and `start` make outages."""

    def __init__(self) -> None:
        folder = server_folder()
        if folder is None:
            pytest.skip(MISSING)
        self._programs = folder
        self._folder = Path(tempfile.mkdtemp(prefix="orchestrator-postgres-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._user = next(name for name in ("postgres", "nobody") if _exists(name)) if os.geteuid() == 0 else None
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        atexit.register(self.close)
        terms = ("--auth=trust", f"--username={_SUPERUSER}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        command = [*self._as_user(), str(folder / "initdb"), f"--pgdata={self._data}", *terms]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ("-h", LOOPBACK, "-p", str(self._port), "-k", str(self._folder), "-c", "fsync=off")
        command = [*self._as_user(tied=True), str(self._programs / "postgres"), "-D", str(self._data), *options]
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        log.close()
        deadline = elapsed_s() + 30
        while not self._answers():
            assert elapsed_s() < deadline, (self._folder / "log").read_text()
            assert self._process.poll() is None, (self._folder / "log").read_text()

    def stop(self) -> None:
        """Stop it as an administrator does who does not wait for clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Stop it and delete what it held."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def create(self) -> str:
        """The URL of a new, empty database, whose locale does not sort as Python does if there is such a one."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql+psycopg://{_SUPERUSER}@{LOOPBACK}:{self._port}/{name}"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._address("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _address(self, database: str) -> str:
        return f"host={LOOPBACK} port={self._port} user={_SUPERUSER} dbname={database}"

    def _as_user(self, *, tied: bool = False) -> list[str]:
        """What a command is begun with: it runs as another user, and dies with the tests."""
        own = ["--pdeathsig", "INT"] if tied else []
        if self._user is None:
            return ["setpriv", *own] if tied and shutil.which("setpriv") else []
        group = str(pwd.getpwnam(self._user).pw_gid)
        return ["setpriv", f"--reuid={self._user}", f"--regid={group}", "--clear-groups", *own]


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
