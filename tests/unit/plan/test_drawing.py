"""Canvases drawn as trees of text."""

from __future__ import annotations

from orchestrator.plan.drawing import canvas_lines
from orchestrator.plan.graph import Plan
from tests.unit.plan.plans import canvas, named, upper, workflow


def drawn(plan: Plan, *, lanes: int = 4, message_bytes: int = 16_384) -> str:
    """The drawing."""
    return "\n".join(canvas_lines(canvas(plan, message_bytes=message_bytes), lanes=lanes)) + "\n"


def test_a_chain_shows_each_signatures_options() -> None:
    """As Celery gets them: shadow names, queue, priority, time limit, retry headers."""
    text = drawn(named("payment_flow.py"))

    assert "  chain of 3 signatures\n  ├─ payment.flow@1.0.0/validate-payment\n" in text
    assert text.count("queue default, priority 5, hard limit 11m") == 5
    assert "max_retries=2, backoff=exponential, delay_ms=1000" in text
    assert "when notify-user is reached, a chain of 1 signature" in text


def test_a_long_chain_says_where_it_is_cut() -> None:
    """A reader must not take the first message for the whole workflow."""
    text = drawn(workflow(*(upper(f"s{number}") for number in range(5))), message_bytes=3_000)

    assert "chain of 2 signatures" in text
    assert "the tail is compiled when it is reached" in text


def test_a_chord_has_its_branches_and_a_body() -> None:
    """The body begins at the container, whose join it looks at."""
    text = drawn(named("parallel_join.yaml"))

    assert "└─ chord: 3 branches" in text
    assert "├─ branch hotel: chain of 1 signature" in text
    assert "└─ body: chain at book, then itinerary" in text


def test_a_gate_says_where_the_deciding_arrival_goes_on() -> None:
    """For a race, and for each join inside another container."""
    assert "└─ gate: the arrival that decides the join goes on at travel" in drawn(named("race.yaml"))
    assert drawn(named("nested.yaml")).count("gate: the arrival") == 2


def test_a_map_has_lanes_as_the_setting_says() -> None:
    """Never more than items at once; what is more than lanes is dealt out."""
    plan = workflow({"id": "all", "map": {"items": "input.words", "steps": [upper("up")], "max_concurrency": 6}})

    few, many = drawn(plan, lanes=2), drawn(plan, lanes=9)

    assert "chord: up to 2 lanes of item chains" in few
    assert "2 lanes a queue (setting `lanes`), one of which it keeps" in few
    assert "chord: up to 5 lanes of item chains" in many
    assert "each of the others is a message" in many


def test_a_map_that_takes_one_item_at_a_time_sends_nothing_beside_it() -> None:
    """Its items come one after the other."""
    text = drawn(workflow({"id": "all", "map": {"items": "[1]", "steps": [upper("up")], "max_concurrency": 1}}))

    assert "chain: one item after the other" in text
    assert "chord" not in text


def test_a_container_in_a_loop_is_a_chord_at_its_first_visit_only() -> None:
    """Later visits have addresses of their own, which no body looks at."""
    text = drawn(
        workflow(
            {
                "id": "both",
                "parallel": {"branches": {"a": [upper("a")], "b": [upper("b")]}},
                "on_success": "again",
                "max_visits": 2,
            },
            {"id": "again", "transitions": [{"when": "input.more", "to": "both"}], "on_success": "$end"},
        )
    )

    assert "at a later visit: a group, and a gate" in text


def test_a_needs_flow_shows_its_gates() -> None:
    """What begins it stands first, beside each other."""
    text = drawn(named("dag.yaml"))

    assert text.count("\n  beside it, a chain of 1 signature\n") == 2
    assert "  gate: by the last to arrive of reconcile, rates, a chain of 2 signatures\n" in text
