"""The state diagrams of the documentation, drawn from the tables: `python -m orchestrator.engine.diagrams PAGE`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.engine.state import OVER, RUN_TABLE, SETTLED, STEP_TABLE


def state_diagram(table: Mapping[Any, StrEnum], final: Iterable[StrEnum]) -> str:
    """A Mermaid state diagram: an arrow for each pair of states, with the happenings that lead along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, happening), after in table.items():
        arrows.setdefault((state.value, after.value), []).append(happening.value)
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [f"    {state} --> {after}: {', '.join(names)}" for (state, after), names in arrows.items()]
    lines += [f"    {state.value} --> [*]" for state in sorted(final)]
    return "\n".join(lines)


DIAGRAMS = {"run": state_diagram(RUN_TABLE, OVER), "step": state_diagram(STEP_TABLE, SETTLED)}


def with_diagrams(page: str) -> str:
    """The page with what stands between `<!-- run -->` and `<!-- /run -->` (and so on) drawn anew."""
    for name, diagram in DIAGRAMS.items():
        head, rest = page.split(f"<!-- {name} -->\n", 1)
        tail = rest.split(f"<!-- /{name} -->", 1)[1]
        page = f"{head}<!-- {name} -->\n```mermaid\n{diagram}\n```\n<!-- /{name} -->{tail}"
    return page


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(with_diagrams(target.read_text()))
