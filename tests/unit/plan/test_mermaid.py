"""Plans as Mermaid flowcharts."""

from __future__ import annotations

import re

import pytest

from orchestrator.plan.mermaid import to_mermaid
from tests.unit.plan.plans import NAMES, named, upper, workflow

LABEL = r'"(?:[^"#<>&`]|#\d+;|<br>)*"'
SHAPES = (r"\[\(?LABEL\)?\]", r"\[\[LABEL\]\]", r"\(\[LABEL\]\)", r"\{LABEL\}", r"\[/LABEL/\]", r"\(\(\(\w+\)\)\)")
NODE = re.compile(rf"(\w+)(?:{'|'.join(SHAPES).replace('LABEL', LABEL)})")
SUBGRAPH = re.compile(rf"subgraph (\w+)\[{LABEL}\]")
EDGE = re.compile(rf"(\w+) (?:-->|-\.->|-\. undone by \.-)(?:\|{LABEL}\|)? (\w+)")


def parsed(chart: str) -> tuple[dict[str, tuple[str, ...]], list[tuple[str, str]]]:
    """Where each node and subgraph stands (the subgraphs around it), and the arrows; fails on any other line."""
    first, *lines = chart.splitlines()
    assert first == "flowchart TD"
    places: dict[str, tuple[str, ...]] = {}
    edges: list[tuple[str, str]] = []
    around: list[str] = []
    for line in map(str.strip, lines):
        if line == "end":
            around.pop()
        elif edge := EDGE.fullmatch(line):
            edges.append((edge[1], edge[2]))
        else:
            opened = SUBGRAPH.fullmatch(line)
            declared = opened or NODE.fullmatch(line)
            assert declared, f"not Mermaid: {line}"
            assert declared[1] not in places, f"declared twice: {line}"
            places[declared[1]] = tuple(around)
            around += [declared[1]] if opened else []
    assert around == []
    return places, edges


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_valid(name: str) -> None:
    """Each id is declared once, subgraphs are closed, and no arrow joins a subgraph with what lies inside of it."""
    places, edges = parsed(to_mermaid(named(name)))

    for origin, target in edges:
        assert origin in places
        assert target in places
        assert origin not in places[target]
        assert target not in places[origin]


def test_conditions_failures_and_undos_are_told_apart() -> None:
    """Conditions label plain arrows, failures are dotted, undos stand beside their step."""
    branch, payment = to_mermaid(named("branch.yaml")), to_mermaid(named("payment_flow.py"))

    assert 'step_by_language -->|"input.language == #34;de#34;"| step_german' in branch
    assert 'step_charge_payment -.->|"failed"| step_notify_admin' in payment
    assert "step_charge_payment -. undone by .- undo_charge_payment" in payment
    assert 'undo_charge_payment[/"payments.refund@1"/]' in payment


def test_mermaids_own_words_and_signs_stay_out_of_ids_and_labels() -> None:
    """A step may be called `end`, and a condition may hold quotes and brackets."""
    chart = to_mermaid(
        workflow(
            {"id": "end", "transitions": [{"when": 'input.x == "<a>#"', "to": "a-b"}], "on_success": "$fail"},
            {"id": "a-b", "wait": "2s"},
        )
    )

    assert 'step_end{"end"}' in chart
    assert "#34;#60;a#62;#35;#34;" in chart
    assert 'step_a_b(["a-b<br>wait 2s"])' in chart
    assert "step_end --> fails_0" in chart


def test_steps_stand_in_the_subgraph_of_their_flow() -> None:
    """A container holds a subgraph for each branch, or one for its items."""
    places, _ = parsed(to_mermaid(named("nested.yaml")))

    assert places["step_tour"] == ()
    assert places["step_arrange"] == ("step_tour", "flow_1")
    assert places["step_bus"] == ("step_tour", "flow_1", "step_arrange", "flow_2")
    assert places["step_room"] == (*places["step_rooms"], "step_rooms", "flow_4")


def test_branches_of_any_name_have_ids_of_their_own() -> None:
    """They may differ in a sign that ids cannot hold; their subgraphs are numbered."""
    branches = {"b": [upper("x")], "a-b": [upper("y")], "a_b": [upper("z")]}

    places, _ = parsed(to_mermaid(workflow({"id": "all", "parallel": {"branches": branches}})))

    assert {places[f"step_{name}"] for name in "xyz"} == {("step_all", f"flow_{number}") for number in (1, 2, 3)}


def test_arrows_of_a_needs_flow_tell_what_is_asked_for() -> None:
    """From each needed step, with the condition under which the other runs."""
    chart = to_mermaid(named("dag.yaml"))

    assert "step_orders --> step_reconcile" in chart
    assert 'step_rates -->|"any succeeded"| step_report' in chart
    assert 'step_report -->|"input.publish"| step_publish' in chart
    assert "<br>may fail" in chart


def test_a_loop_leads_back() -> None:
    """To the step that says how often."""
    chart = to_mermaid(named("loop.yaml"))

    assert "step_pause --> step_ask" in chart
    assert "<br>at most 20 visits" in chart
