"""Logging in and out: two plain forms, which need no script."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from orchestrator.dashboard.look.markup import joined, tag
from orchestrator.dashboard.look.shell import brand, head_links
from orchestrator.dashboard.paths import BASE, LOGIN, to
from orchestrator.dashboard.sessions import COOKIE, FORM_COOKIE, FORM_S, Sessions
from orchestrator.errors import Forbidden, OrchestratorError

_LONGEST_FORM = 10_000


class Login:
    """The forms' answers."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    async def show(self, request: Request) -> Response:
        """The form; where nobody needs to log in, the dashboard itself."""
        if not self.sessions.needed:
            return RedirectResponse(to("/"), 303)
        return await self._form(request, _local(request.query_params.get("next", "")))

    async def log_in(self, request: Request) -> Response:
        """Open a session, or show the form again with what was wrong."""
        form = await _read(request)
        wanted = _local(form.get("next", ""))
        try:
            if not self.sessions.is_form_token(form.get("token", ""), request.cookies.get(FORM_COOKIE)):
                raise Forbidden("this form is no longer good; send it again")
            value = await run_in_threadpool(self.sessions.open, form.get("key", ""))
        except OrchestratorError as error:
            return await self._form(request, wanted, error)
        response = RedirectResponse(f"{BASE}{wanted or '/'}", 303)
        _set(request, response, COOKIE, value, self.sessions.lifetime_s, "lax")
        response.delete_cookie(FORM_COOKIE, path=f"{BASE}{LOGIN}")
        return response

    async def log_out(self, request: Request) -> Response:
        """End the session, here and wherever else it is used."""
        form = await _read(request)
        session = request.state.session
        if session is not None and form.get("token") != session.token:
            return HTMLResponse("this form is no longer good", HTTPStatus.FORBIDDEN)
        if session is not None:
            await run_in_threadpool(self.sessions.end, session)
        response = RedirectResponse(to(LOGIN), 303)
        response.delete_cookie(COOKIE, path=BASE)
        return response

    async def _form(self, request: Request, wanted: str, error: OrchestratorError | None = None) -> Response:
        token = await run_in_threadpool(self.sessions.form_token)
        status = HTTPStatus.OK if error is None else HTTPStatus.FORBIDDEN
        response = HTMLResponse(_page(token, wanted, error), status)
        _set(request, response, FORM_COOKIE, token, FORM_S, "strict")
        return response


def _page(token: str, wanted: str, error: OrchestratorError | None) -> str:
    described = "login-error" if error else "login-hint"
    key = tag(
        "input",
        id="key",
        name="key",
        type="password",
        required=True,
        autofocus=True,
        autocomplete="current-password",
        spellcheck="false",
        placeholder="orc_…",
        aria_describedby=described,
        aria_invalid="true" if error else None,
    )
    said = joined([error.message, " ", tag("code", error.code)]) if error else None
    wrong = tag("p", said, id="login-error", class_="wrong", role="alert") if said else None
    form = tag(
        "form",
        tag("input", type="hidden", name="token", value=token),
        tag("input", type="hidden", name="next", value=wanted),
        tag("label", "API key", for_="key"),
        key,
        wrong,
        tag("button", "Log in", type="submit", class_="primary"),
        tag("p", "Make one with ", tag("code", "orchestrator keys create"), ".", class_="hint", id="login-hint"),
        method="post",
        action=to(LOGIN),
    )
    main = tag("main", brand(), tag("h1", "Log in"), form, class_="login")
    head = tag("head", tag("meta", charset="utf-8"), tag("title", "Log in · Orchestrator"), head_links())
    return f"<!doctype html>{tag('html', head, tag('body', main, class_='bare'), lang='en')}"


def _set(request: Request, response: Response, name: str, value: str, max_age: int, same_site: Any) -> None:
    path = BASE if name == COOKIE else f"{BASE}{LOGIN}"
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age, path=path, secure=secure, httponly=True, samesite=same_site)


async def _read(request: Request) -> dict[str, str]:
    body = (await request.body())[:_LONGEST_FORM]
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _local(wanted: str) -> str:
    """An address of ours, or nothing: a log-in leads nowhere else."""
    parts = urlsplit(wanted)
    fits = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return wanted if fits and wanted.isprintable() else ""
