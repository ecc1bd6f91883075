"""The example of the page about external events, as it stands there."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.client.publishing import examine
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import OPERATIONS, load_operations
from orchestrator.spec.triggers import EventTrigger
from orchestrator.triggers.event_triggers import EventTriggers
from tests.pages import ROOT, block
from tests.unit.surroundings import Surroundings
from workers.app import SHIPPED

PAGE = (ROOT / "docs/events.md").read_text()


def test_the_example_of_events_can_be_published_and_takes_the_event_that_is_emitted() -> None:
    """Without errors and without warnings, with the operations that ship."""
    load_operations(SHIPPED)
    (example,) = re.findall(r"^```yaml\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    [loaded] = load_text(example, "example.yaml")
    _, problems = examine(loaded.spec, OPERATIONS, None)
    around = Surroundings()
    around.client.publish(loaded.spec)

    exec(block("docs/events.md", "emit"), {"orchestrator": around.client})
    triggers = EventTriggers(around.client.catalogue)
    triggers.refresh()
    (route,) = triggers.of("order.created")
    (entry,) = around.client.events.tail()
    root: dict[str, Any] = entry.event.root("") if entry.event else {}

    assert [str(problem) for problem in (*loaded.problems, *problems)] == []
    assert route.takes(root)
    assert route.input(root) == {"order": "A-1", "total": 1250}


def test_the_table_of_triggers_has_every_field() -> None:
    """And no other."""
    table = PAGE.split("## Triggers")[1].split("\n\n")[1]

    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    assert named == set(EventTrigger.model_fields)
