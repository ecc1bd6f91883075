"""Plans and runs as pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from orchestrator.dashboard.drawing.graph import draw_graph
from orchestrator.dashboard.drawing.progress import Progress
from tests.unit.plan.plans import NAMES, named


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_a_box_that_leads_to_it(name: str) -> None:
    """The picture is well-formed, and names every step of the plan once."""
    plan = named(name)

    picture = ET.fromstring(draw_graph(plan))

    links = [one.get("href") or "" for one in picture.iter("a")]
    assert sorted(links) == sorted(f"#step-{step}" for step in plan.nodes)


def test_the_path_that_was_taken_is_marked() -> None:
    """From what completed or failed to what was reached, and no further."""
    plan = named("payment_flow.py")
    progress = {
        "validate-payment": Progress("completed", {"completed": 1}),
        "charge-payment": Progress("failed", {"failed": 1}),
        "notify-admin": Progress("running", {"running": 1}),
    }

    picture = ET.fromstring(draw_graph(plan, progress))

    lines = [one.get("class") or "" for one in picture.iter("path") if "line" in (one.get("class") or "")]
    assert sorted(one.split() for one in lines if "taken" in one) == [
        ["line", "taken"],
        ["line", "taken", "on-failure"],
    ]
