"""Plans and canvases in text, Mermaid and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.client.publishing import examine
from orchestrator.plan.canvas import Chain, main_chain
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import compile_plan
from orchestrator.plan.render import to_json, to_mermaid, to_text
from orchestrator.spec.loader import load_path
from orchestrator.spec.operations import OPERATIONS, load_operations
from orchestrator.spec.workflow import WorkflowSpec, define_workflow

SPECS = Path(__file__).parents[3] / "specs"
MODULES = [f"workers.operations.{name}" for name in ("payments", "email", "notify", "travel", "examples")]


def compiled(spec: WorkflowSpec, *, message_bytes: int = 16_384) -> tuple[Plan, Chain]:
    """The plan and the canvas of a spec."""
    load_operations(MODULES)
    plan = compile_plan(spec, examine(spec, OPERATIONS, None)[0], digest="0" * 64)
    return plan, main_chain(plan, plan.root.entries[0], message_bytes=message_bytes)


def named(name: str) -> tuple[Plan, Chain]:
    """The plan and the canvas of a file in `specs/`."""
    return compiled(load_path(SPECS / name)[0].spec)


def workflow(*steps: Any, **fields: Any) -> tuple[Plan, Chain]:
    """The plan and the canvas of a workflow of these steps."""
    return compiled(define_workflow(meta={"key": "order.ship", "version": "1.0.0"}, steps=steps, **fields))


def section(text: str, heading: str) -> str:
    """The lines of a text from a heading to the next empty line."""
    return text[text.index(f"\n{heading}") :].split("\n\n", maxsplit=1)[0]


def test_text_tells_the_main_path_before_what_lies_off_it() -> None:
    """Handlers and other branches come last, as a run that nothing diverts does not meet them."""
    text = to_text(*named("payment_flow.py"))

    ids = re.findall(r"^  (?:\d+\.|-)\s+(\S+)", text, re.MULTILINE)
    assert ids == ["validate-payment", "charge-payment", "send-receipt", "notify-user", "notify-admin"]


def test_text_says_how_a_step_is_retried_and_undone_and_where_it_leads() -> None:
    """Everything that a reader of the spec would have to look up in defaults."""
    text = to_text(*named("payment_flow.py"))

    assert "attempts    up to 3, exponential from 1s to 5m; each at most 10m" in text
    assert "undone by   payments.refund@1" in text
    assert "on failure  → notify-admin" in text
    assert "on success  → the workflow completes" in text


def test_text_draws_the_canvas_with_each_signatures_options() -> None:
    """The chain as Celery gets it: shadow names, queue, priority, retry headers, errback."""
    canvas = section(to_text(*named("payment_flow.py")), "Celery canvas")

    assert "chain of 3 signatures" in canvas
    assert canvas.count("─ payment.flow@1.0.0/") == 3
    assert "queue default, priority 5, hard limit 11m" in canvas
    assert "max_retries=2, backoff=exponential, delay_ms=1000" in canvas
    assert canvas.count("errback: address ~") == 3


def test_text_says_where_a_long_chain_is_cut() -> None:
    """A reader must not take the first message for the whole workflow."""
    steps = [{"id": f"s{number}", "operation": "text.upper", "inputs": {"text": "x"}} for number in range(5)]
    spec = define_workflow(meta={"key": "order.ship", "version": "1.0.0"}, steps=steps)

    text = to_text(*compiled(spec, message_bytes=3_000))

    assert "chain of 2 signatures" in text
    assert "the tail is compiled when it is reached" in text


def test_text_cuts_long_values() -> None:
    """A line stays within a screen; the JSON has the value whole."""
    plan, chain = workflow({"id": "shout", "operation": "text.upper", "inputs": {"text": "x" * 500}})

    assert max(map(len, to_text(plan, chain).splitlines())) <= 100
    assert "x" * 500 in json.dumps(to_json(plan, chain))


@pytest.mark.parametrize("name", [path.name for path in SPECS.iterdir() if path.suffix in {".py", ".yaml"}])
def test_json_has_the_plan_and_its_canvas(name: str) -> None:
    """Plain JSON; the canvas is the chain's own record, so that what is sent can be compared with it."""
    plan, chain = named(name)

    written = json.loads(json.dumps(to_json(plan, chain)))

    assert written["canvas"] == json.loads(json.dumps(chain.to_json()))
    assert [step["id"] for step in written["plan"]["steps"]] == list(plan.nodes)


def test_json_tells_conditions_codes_and_undos() -> None:
    """Routes with what they ask for, in the order in which they are tried."""
    plan = to_json(*named("retry_ladder.yaml"))["plan"]

    call = next(step for step in plan["steps"] if step["id"] == "call")
    assert call["on_failure"] == [
        {"to": "$fail", "errors": ["bad_request"], "when": None},
        {"to": "fallback", "errors": None, "when": None},
    ]
    assert call["work"]["retry"]["give_up_on"] == ["bad_request"]


def test_mermaid_shows_conditions_failures_and_undos_apart() -> None:
    """Conditions label plain arrows, failures are dotted, undos stand beside their step."""
    branch, payment = to_mermaid(named("branch.yaml")[0]), to_mermaid(named("payment_flow.py")[0])

    assert 'step_by_language -->|"input.language == #34;de#34;"| step_german' in branch
    assert 'step_charge_payment -.->|"failed"| step_notify_admin' in payment
    assert 'step_charge_payment -. undone by .- undo_charge_payment[/"payments.refund@1"/]' in payment


def test_mermaid_keeps_its_own_words_and_signs_out_of_ids_and_labels() -> None:
    """A step may be called `end`, and a condition may hold quotes and brackets."""
    plan, _ = workflow(
        {"id": "end", "transitions": [{"when": 'input.x == "<a>#"', "to": "a-b"}], "on_success": "$fail"},
        {"id": "a-b", "wait": "2s"},
    )

    chart = to_mermaid(plan)

    assert 'step_end{"end"}' in chart
    assert "#34;#60;a#62;#35;#34;" in chart
    assert 'step_a_b(["a-b<br>wait 2s"])' in chart
    assert "step_end --> run_fail" in chart
