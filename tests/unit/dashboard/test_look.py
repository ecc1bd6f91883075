"""What pages are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from orchestrator.client.redaction import MASK
from orchestrator.client.search import STATUSES
from orchestrator.client.shown import TakenIn
from orchestrator.dashboard.look.json_view import json_view
from orchestrator.dashboard.look.markup import joined, tag
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.times import in_words, moment
from orchestrator.dashboard.pages.events import tail_cells, unfolded
from orchestrator.engine.state import StepState
from orchestrator.spec.cloudevents import parse_structured

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
HOSTILE = "<script>alert('x')</script>\"'&"


def test_texts_are_escaped_in_content_and_attributes() -> None:
    """What is not markup already cannot become part of a page."""
    made = tag("a", HOSTILE, href=HOSTILE, class_="mono", aria_label=HOSTILE)

    assert "<script" not in made
    assert "\"'" not in made
    assert made.count("&lt;script") == 3
    assert ' class="mono"' in made


def test_attributes_that_are_false_or_none_are_left_out() -> None:
    """True is the bare name."""
    assert tag("input", disabled=True, checked=False, title=None) == Markup("<input disabled>")


@given(JSON)
def test_json_of_any_kind_is_shown_without_becoming_markup(value: object) -> None:
    """Names and values alike."""
    shown = json_view({"<b>": value, "end": HOSTILE})

    assert "<script" not in shown
    assert "<b>" not in shown


def test_what_was_redacted_is_marked() -> None:
    """It cannot be taken for a value."""
    assert "redacted" in json_view({"card": MASK})
    assert 'class="redacted"' in json_view({"card": MASK})
    assert 'class="redacted"' not in json_view({"card": "4111"})


def test_long_values_are_cut_and_say_so() -> None:
    """A page stays a page, whatever a run holds."""
    shown = json_view({"text": "x" * 100_000, "list": list(range(5_000))})

    assert len(shown) < 20_000
    assert "98,000 more characters" in shown
    assert "4900 more" in shown


@pytest.mark.parametrize("state", [*StepState, *STATUSES])
def test_every_state_has_a_look_and_its_word(state: str) -> None:
    """Never the colour alone."""
    shown = badge(state)

    assert str(state) in shown
    assert "<svg" in shown


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 ms"),
        (850, "850 ms"),
        (4_200, "4.2 s"),
        (59_000, "59 s"),
        (200_000, "3 min 20 s"),
        (3_600_000, "1 h"),
        (7_500_000, "2 h 5 min"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_durations_in_two_units_at_most(ms: int, words: str) -> None:
    """As somebody would say them."""
    assert in_words(ms) == words


def test_moments_are_in_utc_until_the_browser_knows_better() -> None:
    """Machines read them from the attribute."""
    shown = moment("2026-01-31T12:00:00.000Z")

    assert 'datetime="2026-01-31T12:00:00.000Z"' in shown
    assert "2026-01-31 12:00:00.000 UTC" in shown


def test_a_list_of_events_holds_no_whole_event() -> None:
    """Whatever their size: the whole is sent when somebody unfolds it."""
    event = parse_structured({"id": "e", "source": "/shop", "type": "t", "specversion": "1.0", "data": ["x" * 50_000]})
    entry = TakenIn("1-0", "2026-01-01T00:00:00Z", event, event.text())

    assert len(joined(tail_cells(entry))) < 2_000
    assert "data-later" in joined(tail_cells(entry))
    assert "/shop" in unfolded(entry.body)
