"""What browsers get before anything can be painted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nicegui
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from orchestrator.dashboard.document import finished
from orchestrator.dashboard.kept import Kept
from orchestrator.dashboard.look.shell import BUNDLES
from orchestrator.dashboard.paths import FILES

SHEET = b"""@import url("/d/_nicegui/3/static/quasar.unimportant.prod.css") layer(quasar);
@import url("/d/_nicegui/3/static/nicegui.css") layer(nicegui);"""
asked: list[str] = []


@pytest.fixture
def browser() -> Iterator[TestClient]:
    """Somebody before an application that counts what it is asked for."""
    asked.clear()

    async def answer(request: Request) -> PlainTextResponse:
        asked.append(request.url.path)
        return PlainTextResponse("x" * 5_000, 404 if "gone" in request.url.path else 200)

    app = Starlette()
    app.add_route("/{path:path}", answer)
    with TestClient(Kept(app, ["/assets/"])) as client:
        yield client


def test_every_file_of_ours_is_in_a_bundle() -> None:
    """None is forgotten, none twice."""
    listed = [name for names in BUNDLES.values() for name in names]

    assert sorted(listed) == sorted(one.name for one in FILES.iterdir() if one.suffix in (".css", ".js"))


def test_scripts_get_the_nonce_and_quasars_styles_are_left_out() -> None:
    """Whatever else is imported stays."""
    found = finished(b"<script>1</script><style>" + SHEET + b"</style>", "n0").decode()

    assert '<script nonce="n0">' in found
    assert "quasar" not in found
    assert "nicegui.css" in found


def test_niceguis_own_template_is_the_one_that_is_trimmed() -> None:
    """A release that writes it otherwise is noticed here."""
    template = (Path(nicegui.__file__).parent / "templates/index.html").read_text()
    sheets = re.findall(
        r"@import url.*prod\.css.*;", template.replace("{{ prefix | safe }}", "").replace("{{version}}", "3")
    )

    assert len(sheets) == 2
    assert finished("".join(sheets).encode(), "n0") == b""


def test_what_does_not_change_is_asked_for_once(browser: TestClient) -> None:
    """Packed for whoever takes that, plain for others; what is elsewhere, or not there, every time."""
    packed = [browser.get("/assets/a") for _ in range(2)]
    plain = browser.get("/assets/a", headers={"Accept-Encoding": "identity"})
    for path in ("/assets/gone", "/runs") * 2:
        browser.get(path)

    assert [one.headers.get("content-encoding") for one in (*packed, plain)] == ["gzip", "gzip", None]
    assert {one.text for one in (*packed, plain)} == {"x" * 5_000}
    assert asked.count("/assets/a") == 1
    assert asked.count("/runs") == 2
    assert asked.count("/assets/gone") >= 2
