"""Sessions: a signed cookie that names the API key someone logged in with, and that is of no use without it.

The cookie holds the key's id and the hash of its secret, never the secret. Every page, action and refresh asks for the
key anew, as every request to the API does: a revoked or expired key ends its sessions there and then. A log-out ends
one session for good: copies of its cookie are of no use either.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

from orchestrator.client.access import admit, admit_hash
from orchestrator.client.callers import Caller
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Unauthenticated

COOKIE: Final = "orchestrator_session"
FORM_COOKIE: Final = "orchestrator_login"
FORM_S: Final = 3_600
"""So long the log-in form may stand open."""


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in: which key, and the token that this session's forms carry."""

    key_id: str
    key_hash: str
    token: str


@dataclass(frozen=True)
class Sessions:
    """Opens sessions and tells whose they are."""

    client: RedisOrchestrator

    @property
    def needed(self) -> bool:
        """Whether anybody must log in; not where access is off, which is on this machine only."""
        return self.client.settings.access

    @property
    def lifetime_s(self) -> int:
        """How long a log-in holds."""
        return self.client.settings.dashboard_session_ms // 1000

    def open(self, key: str) -> str:
        """A session's cookie for a key; Unauthenticated or TooManyRequests if it is not let in."""
        record = admit(self.client.access, self.client.settings, key.strip())
        return self._signed("session").dumps(asdict(Session(record.id, record.hash, secrets.token_hex(16))))

    def read(self, cookie: str | None) -> Session | None:
        """The session that a cookie is of, if we signed it and it is not too old."""
        try:
            return Session(**self._signed("session").loads(cookie or "", max_age=self.lifetime_s))
        except (BadSignature, TypeError):
            return None

    def caller(self, session: Session | None, source: str, agent: str) -> Caller:
        """Who acts; Unauthenticated if the session's key is of no use any more."""
        if not self.needed:
            return Caller.of_this_machine(self.client, source, agent)
        if session is None:
            raise Unauthenticated("log in with an API key")
        if self.client.access.has_ended(session.token):
            raise Unauthenticated("this session was logged out")
        record = admit_hash(self.client.access, self.client.settings, session.key_id, session.key_hash)
        return Caller.of_key(self.client, record, source, agent)

    def end(self, session: Session) -> None:
        """The session is over, whoever still has its cookie or a page of it open."""
        self.client.access.end_session(session.token, self.lifetime_s)

    def form_token(self) -> str:
        """The token of one log-in form; its cookie holds the same."""
        return str(self._signed("form").dumps(secrets.token_hex(16)))

    def is_form_token(self, given: str, cookie: str | None) -> bool:
        """Whether a form was ours, and came from the browser that it was shown in."""
        if cookie is None or not secrets.compare_digest(given.encode(), cookie.encode()):
            return False
        try:
            self._signed("form").loads(given, max_age=FORM_S)
        except BadSignature:
            return False
        return True

    @cached_property
    def _secret(self) -> str:
        return self.client.access.session_secret()

    def _signed(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._secret, salt=f"orchestrator.dashboard.{purpose}")
