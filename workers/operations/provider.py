"""A pretend outside world, in one SQLite file: a bank that charges and refunds, and a desk that books trips.

It stands for a third party: it knows nothing of runs, honours idempotency keys, and records every request that reaches
it, so that effects can be counted where they happen. Any number of processes may use one file; each request is one
transaction, which is durable once the method has returned or refused.

A payment method's id says how it behaves:

    pm_ok                    is charged at once
    pm_expired               is refused by validation: method_expired
    pm_declined              is refused by the charge: card_declined
    pm_flaky_N               the first N requests to charge a key fail: provider_unavailable
    pm_flaky_validate_N      the same for validation
    pm_slow_MS               is charged after so many milliseconds
    pm_pregate_NAME          the charge waits for gate NAME before it is made
    pm_gate_NAME             the charge waits for gate NAME once it is made
    pm_refundgate_NAME       is charged at once; the refund waits for gate NAME once it is made
    pm_norefund              is charged at once; the refund is refused: refund_refused

Anything else is unknown: method_unknown.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["validate", "charge", "refund", "book", "cancel"]
Service = Literal["flight", "hotel", "car"]

_SCHEMA = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,
    attempt INTEGER NOT NULL, at REAL NOT NULL, pid INTEGER NOT NULL
);
CREATE INDEX calls_by_key ON calls (kind, key);
CREATE TABLE charges (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, method TEXT NOT NULL, amount INTEGER NOT NULL, at REAL NOT NULL
);
CREATE TABLE refunds (key TEXT PRIMARY KEY, charge_id INTEGER REFERENCES charges (id), at REAL NOT NULL);
CREATE TABLE bookings (key TEXT PRIMARY KEY, service TEXT, city TEXT, traveller TEXT, at REAL NOT NULL);
CREATE TABLE cancellations (key TEXT PRIMARY KEY, at REAL NOT NULL);
"""
_METHOD = re.compile(
    r"pm_(?:(?P<plain>ok|expired|declined|norefund)"
    r"|(?P<counted>flaky|flaky_validate|slow)_(?P<number>\d+)"
    r"|(?P<gated>pregate|gate|refundgate)_(?P<name>[A-Za-z0-9-]+))"
)


class Refused(Exception):
    """The provider answered no; nothing happened. `transient`: the same request may succeed later."""

    def __init__(self, code: str, *, transient: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Call:
    """One request, whatever became of it. `key` is that of the thing it was about: a refund bears its charge's."""

    kind: Kind
    key: str
    attempt: int
    at: float
    pid: int


@dataclass(frozen=True, slots=True)
class Charge:
    """Money taken: `amount` cents, once a key."""

    id: int
    key: str
    method: str
    amount: int
    at: float


@dataclass(frozen=True, slots=True)
class Refund:
    """A charge given back whole; `charge_id` is None where there was nothing to give back."""

    key: str
    charge_id: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Booking:
    """A seat, a room or a car, once a key; `cancelled` or still held."""

    key: str
    service: Service
    city: str
    traveller: str
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a payment method's id says: a word, and its number or gate."""

    word: str
    number: int = 0
    gate: str = ""

    @classmethod
    def of(cls, method: str) -> Behaviour:
        """The behaviour of a payment method; `Refused` if no such method exists."""
        match = _METHOD.fullmatch(method)
        if match is None:
            raise Refused("method_unknown")
        word = match["plain"] or match["counted"] or match["gated"]
        return cls(word, int(match["number"] or 0), match["name"] or "")


class Provider:
    """The pretend provider whose books are the SQLite file `path`, made at the first request."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def from_environment(cls) -> Provider:
        """The provider of `ORCHESTRATOR_PROVIDER_DB`; by default a file in the system's temporary folder."""
        default = Path(tempfile.gettempdir()) / "orchestrator-provider.sqlite"
        return cls(os.environ.get("ORCHESTRATOR_PROVIDER_DB") or default)

    def validate(self, key: str, method: str, attempt: int = 1) -> None:
        """Say whether the method could be charged; changes nothing but the record of calls."""
        with self._request("validate", key, attempt) as books:
            behaviour = Behaviour.of(method)
            if behaviour.word == "expired":
                raise Refused("method_expired")
            _fail_first(books, behaviour, "flaky_validate", "validate", key)

    def charge(self, key: str, method: str, amount: int, attempt: int = 1) -> Charge:
        """Take the money; a repeated key gets the first charge, a refunded one is refused for good."""
        with self._request("charge", key, attempt) as books:
            behaviour = Behaviour.of(method)
            if books.execute("SELECT 1 FROM refunds WHERE key = ?", [key]).fetchone():
                raise Refused("already_refunded")
            _fail_first(books, behaviour, "flaky", "charge", key)
            if behaviour.word in {"declined", "expired"}:
                raise Refused("card_declined")
            books.execute(
                "INSERT INTO charges (key, method, amount, at) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                [key, method, amount, time.time()],
            )
            charge = Charge(*books.execute("SELECT * FROM charges WHERE key = ?", [key]).fetchone())
            if (charge.method, charge.amount) != (method, amount):
                raise Refused("idempotency_conflict")
            return charge

    def refund(self, key: str, attempt: int = 1) -> tuple[Refund, Charge | None]:
        """Give back the charge of `key`, once; without one, note it, so that a charge that comes later is refused."""
        with self._request("refund", key, attempt) as books:
            row = books.execute("SELECT * FROM charges WHERE key = ?", [key]).fetchone()
            charge = Charge(*row) if row else None
            if charge and Behaviour.of(charge.method).word == "norefund":
                raise Refused("refund_refused")
            books.execute(
                "INSERT INTO refunds (key, charge_id, at) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
                [key, charge and charge.id, time.time()],
            )
            return Refund(*books.execute("SELECT * FROM refunds WHERE key = ?", [key]).fetchone()), charge

    def book(self, key: str, service: Service, city: str, traveller: str, attempt: int = 1) -> Booking:
        """Book, once a key; no cars are left in Atlantis, and a key that was cancelled is refused for good."""
        with self._request("book", key, attempt) as books:
            if books.execute("SELECT 1 FROM cancellations WHERE key = ?", [key]).fetchone():
                raise Refused("already_cancelled")
            if (service, city) == ("car", "Atlantis"):
                raise Refused("sold_out")
            books.execute(
                "INSERT INTO bookings VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                [key, service, city, traveller, time.time()],
            )
            return Booking(key, service, city, traveller, cancelled=False)

    def cancel(self, key: str, attempt: int = 1) -> bool:
        """Cancel the booking of `key`, and any that comes later; whether there was one."""
        with self._request("cancel", key, attempt) as books:
            books.execute("INSERT INTO cancellations VALUES (?, ?) ON CONFLICT (key) DO NOTHING", [key, time.time()])
            return books.execute("SELECT 1 FROM bookings WHERE key = ?", [key]).fetchone() is not None

    def calls(self, kind: Kind | None = None) -> list[Call]:
        """Every request, or those of one kind, oldest first."""
        rows = self._read("SELECT kind, key, attempt, at, pid FROM calls ORDER BY id")
        return [call for call in (Call(*row) for row in rows) if kind in {None, call.kind}]

    def charges(self) -> list[Charge]:
        """Every charge made, refunded ones included, oldest first."""
        return [Charge(*row) for row in self._read("SELECT * FROM charges ORDER BY id")]

    def refunds(self) -> list[Refund]:
        """Every refund made, those of nothing included, oldest first."""
        return [Refund(*row) for row in self._read("SELECT * FROM refunds ORDER BY rowid")]

    def bookings(self) -> list[Booking]:
        """Every booking made, cancelled ones included, oldest first."""
        rows = self._read(
            "SELECT key, service, city, traveller, cancellations.key IS NOT NULL"
            " FROM bookings LEFT JOIN cancellations USING (key) ORDER BY bookings.rowid"
        )
        return [Booking(key, service, city, traveller, bool(off)) for key, service, city, traveller, off in rows]

    @contextmanager
    def _request(self, kind: Kind, key: str, attempt: int) -> Iterator[sqlite3.Connection]:
        """One transaction that records the call, and keeps the record even if the request is refused."""
        with closing(self._open()) as books:
            books.execute("BEGIN IMMEDIATE")
            books.execute(
                "INSERT INTO calls (kind, key, attempt, at, pid) VALUES (?, ?, ?, ?, ?)",
                [kind, key, attempt, time.time(), os.getpid()],
            )
            books.execute("SAVEPOINT effect")
            try:
                yield books
            except Refused:
                books.execute("ROLLBACK TO effect")
                books.execute("COMMIT")
                raise
            books.execute("COMMIT")

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self._open()) as books:
            return books.execute(query).fetchall()

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self._create()
        return sqlite3.connect(self.path, timeout=30, isolation_level=None)

    def _create(self) -> None:
        """Make the file beside its place and link it in: several processes may try, and one file wins, whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".provider-") as folder:
            draft = Path(folder) / "books.sqlite"
            with closing(sqlite3.connect(draft)) as books:
                books.execute("PRAGMA journal_mode = WAL")
                books.executescript(_SCHEMA)
            try:
                self.path.hardlink_to(draft)
            except FileExistsError:
                return


def _fail_first(books: sqlite3.Connection, behaviour: Behaviour, word: str, kind: Kind, key: str) -> None:
    """Refuse the first N requests of a key, this one included in the count."""
    if behaviour.word != word:
        return
    (seen,) = books.execute("SELECT count(*) FROM calls WHERE kind = ? AND key = ?", [kind, key]).fetchone()
    if seen <= behaviour.number:
        raise Refused("provider_unavailable", transient=True)
