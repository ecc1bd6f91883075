"""Sessions: what a cookie is good for."""

from __future__ import annotations

import pytest

from orchestrator.client.access import create_key
from orchestrator.client.audit import Audit
from orchestrator.dashboard.login import _local
from orchestrator.dashboard.sessions import Sessions
from orchestrator.errors import Unauthenticated
from orchestrator.settings import Settings
from orchestrator.store.access import MemoryAccess


class Client:
    """As much of a client as sessions ask for."""

    def __init__(self, **settings: object) -> None:
        self.settings = Settings(**settings)  # type: ignore[arg-type]
        self.access = MemoryAccess(lambda: 1_000)
        self.audit = Audit(self.access)

    def acting_for(self, _: object) -> Client:
        """The same."""
        return self


def opened(client: Client, user: str = "ada") -> tuple[Sessions, str, str]:
    """A session: the cookie, and its key's id."""
    sessions = Sessions(client)  # type: ignore[arg-type]
    key = create_key(client.access, client.audit, user=user, role="operator")
    return sessions, sessions.open(key.token), key.record.id


def test_a_session_acts_as_its_key() -> None:
    """With its role, without the secret."""
    sessions, cookie, key_id = opened(Client())

    caller = sessions.caller(sessions.read(cookie), "", "")

    assert (caller.user, caller.role) == ("ada", "operator")
    session = sessions.read(cookie)
    assert session is not None
    assert session.key_id == key_id


def test_a_revoked_key_ends_its_sessions() -> None:
    """At the next question, whoever asks it."""
    client = Client()
    sessions, cookie, key_id = opened(client)

    client.access.revoke(key_id)

    with pytest.raises(Unauthenticated):
        sessions.caller(sessions.read(cookie), "", "")


def test_a_log_out_ends_the_session_and_no_other() -> None:
    """A copy of its cookie is of no use; another log-in with the same key goes on."""
    client = Client()
    key = create_key(client.access, client.audit, user="ada", role="viewer")
    sessions = Sessions(client)  # type: ignore[arg-type]
    ended, other = (sessions.read(sessions.open(key.token)) for _ in range(2))
    assert ended is not None

    sessions.end(ended)

    assert sessions.caller(other, "", "").user == "ada"
    with pytest.raises(Unauthenticated):
        sessions.caller(ended, "", "")


def test_cookies_that_we_did_not_sign_open_nothing() -> None:
    """Changed ones, another system's, none."""
    sessions, cookie, _ = opened(Client())
    _, other, _ = opened(Client())

    assert [sessions.read(one) for one in (cookie[:-2], f"x{cookie}", other, "", None)] == [None] * 5
    with pytest.raises(Unauthenticated):
        sessions.caller(None, "", "")


def test_a_form_is_good_in_the_browser_that_it_was_shown_in() -> None:
    """Its token and its cookie are one, and ours."""
    sessions, cookie, _ = opened(Client())
    token = sessions.form_token()

    assert sessions.is_form_token(token, token)
    assert not sessions.is_form_token(token, None)
    assert not sessions.is_form_token(token, sessions.form_token())
    assert not sessions.is_form_token("x", "x")
    assert not sessions.is_form_token(cookie, cookie)  # another purpose


def test_a_log_in_leads_to_our_own_pages_only() -> None:
    """Not to where a link from elsewhere wants to have it."""
    good = ("/runs?status=failed", "/runs/a%2Fb:1")
    bad = ("//evil.example", "/\\evil.example", "https://evil.example/", "runs", "javascript:alert(1)", "/a\nb")

    assert [one for one in (*good, *bad) if _local(one)] == list(good)
