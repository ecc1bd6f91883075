"""How it looks in a terminal why a run does not move."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from orchestrator.cli.views import moment, state_text
from orchestrator.client.reasons import Why, WhyStep


def why_lines(found: Why) -> Iterator[Text]:
    """The run's sentence, then one for each live step, each with what to do."""
    yield Text.assemble(("run ", "dim"), (found.run_id, "bold"), "  ", state_text(found.status), f"  {found.sentence}")
    told = f"the sweeper looks at it next at {moment(found.next_look_at)}" if found.next_look_at else ""
    yield from _hints(told, found.advice)
    if len(found.steps) > 1:
        for step in found.steps:
            yield from _step(step)
    if found.live > len(found.steps):
        yield Text(f"  and {found.live - len(found.steps)} more live steps", style="dim")
    for hint in found.hints:
        yield Text.assemble(("warning: ", "yellow"), hint)


def _step(step: WhyStep) -> Iterator[Text]:
    yield Text.assemble("  ", state_text(step.state), "  ", (step.address, "bold"), f"  {step.sentence}")
    told = f"looked at next at {moment(step.next_look_at)}" if step.next_look_at else ""
    yield from _hints(told, step.advice, "    ")


def _hints(told: str, advice: str, indent: str = "  ") -> Iterator[Text]:
    if told or advice:
        yield Text(indent + "; ".join(filter(None, (told, advice))), style="dim")
