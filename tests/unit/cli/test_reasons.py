"""How it looks why a run does not move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.cli.reasons import why_lines
from orchestrator.client.reasons import Reason, Why, WhyStep

AT = "2026-01-31T12:00:00.000Z"


def step(address: str, **more: str) -> WhyStep:
    """A step that waits for its moment."""
    return WhyStep(address, "waiting", Reason.TIMER, "it waits until then", **more)


def shown(*steps: WhyStep, **more: Any) -> list[str]:
    """The lines for a run with these live steps."""
    found = Why("r", "running", Reason.SEVERAL, "steps are live", steps, AT, live=len(steps))
    return [line.plain for line in why_lines(replace(found, **more))]


def test_one_live_step_is_told_by_the_run_s_sentence_alone() -> None:
    """With what to do, and when it is looked at next."""
    lines = shown(step("a"), advice="orchestrator resume r", next_look_at=AT)

    assert lines == [
        "run r  ● running  steps are live",
        "  the sweeper looks at it next at 2026-01-31 12:00:00; orchestrator resume r",
    ]


def test_several_have_a_line_each_below_it() -> None:
    """And what cannot be told of very many, or stands in the way of all, comes last."""
    lines = shown(step("a", next_look_at=AT), step("b"), live=7, hints=("no beat",))

    assert lines == [
        "run r  ● running  steps are live",
        "  ◌ waiting  a  it waits until then",
        "    looked at next at 2026-01-31 12:00:00",
        "  ◌ waiting  b  it waits until then",
        "  and 5 more live steps",
        "warning: no beat",
    ]
