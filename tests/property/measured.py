"""Workflows whose steps and runs have SLAs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_RUNG = {"to": "ops"}
_SLAS = st.sampled_from(
    [
        None,
        {"max_duration": "1ms"},
        {"max_duration": "4s", "warn_at": "50%"},
        {"max_duration": "20s", "warn_at": "3s", "escalate": [{"after": "0s", **_RUNG}, {"after": "9s", **_RUNG}]},
        {"max_duration": "2m", "warn_at": "16s", "alert_on_breach": False},
    ]
)


def with_slas(workflow: Any, draw: st.DrawFn) -> Any:
    """The same workflow, with SLAs drawn for its steps, those within others included."""
    if isinstance(workflow, list):
        return [with_slas(one, draw) for one in workflow]
    if not isinstance(workflow, dict):
        return workflow
    inner = {name: with_slas(one, draw) for name, one in workflow.items()}
    is_step = "id" in inner and "transitions" not in inner and not str(inner.get("operation", "")).startswith("undo.")
    sla = draw(_SLAS) if is_step else None
    return inner if sla is None else {**inner, "sla": sla}


@st.composite
def measured_workflows(draw: st.DrawFn, of: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """A workflow with SLAs of its steps and, mostly, one of the run."""
    workflow = with_slas(draw(of), draw)
    sla = draw(_SLAS)
    return workflow if sla is None else {**workflow, "sla": sla}
