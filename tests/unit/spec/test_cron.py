"""Which texts are cron expressions, and what is said of those that are not."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import SpecInvalid
from orchestrator.spec.cron import InvalidCron, NeverFires, parse_cron
from orchestrator.spec.loader import load_text

SPEC = """
meta: {{key: order.night, version: 1.0.0}}
triggers:
  - schedule:
      name: nightly
      cron: "{cron}"
steps: [{{id: sweep, operation: text.upper}}]
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields; write five"),
        ("0 0 0 1 1 * 2030", "seven fields, and a year cannot be given"),
        ("@reboot", "none of @yearly"),
        ("60 * * * *", "its minute is `60`, and may be 0-59"),
        ("* 24 * * *", "its hour is `24`"),
        ("* * 32 * *", "its day is `32`"),
        ("* * 0 * *", "its day is `0`"),
        ("* * * 13 *", "its month is `13`, and may be 1-12 or JAN-DEC"),
        ("* * * MON *", "its month is `MON`"),
        ("* * * * 8", "its weekday is `8`"),
        ("* * * * MON#6", "its weekday is `MON#6`"),
        ("* * * * L", "its weekday is `L`"),
        ("* * * * * 60", "its second is `60`"),
        ("*/0 * * * *", r"its minute is `\*/0`"),
        ("1,,2 * * * *", "its minute is `1,,2`"),
        ("-5 * * * *", "its minute is `-5`"),
        ("? * * * *", r"its minute is `\?`"),
        ("R * * * *", "`R` draws by chance"),
        ("0 H(1-5) * * *", r"`H\(1-5\)` draws by chance"),
        ("0 0 15W * *", "`15W`, the nearest working day"),
        ("0 0 LW * *", "`LW`, the nearest working day"),
        ("0 23-5/2 * * *", "counts on beyond its end"),
        ("0 0 * * MON,FRI#2", "beside plain weekdays"),
        ("0," * 300 + "0 * * * *", "more than 500 characters"),
    ],
)
def test_what_is_no_cron_expression_is_told_why(text: str, said: str) -> None:
    """The field that is wrong is named, with what it may be."""
    with pytest.raises(InvalidCron, match=said):
        parse_cron(text)


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30-31 FEB *", "0 0 */31 * MON#5"])
def test_an_expression_that_names_no_day_never_fires(text: str) -> None:
    """It is refused, however it names none."""
    with pytest.raises(NeverFires, match="never fires"):
        parse_cron(text)


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 30 2 MON", "0 0 L 2 *", "0 0 * 2 MON#5", "0 0 31 2,3 *"])
def test_an_expression_that_fires_seldom_is_one(text: str) -> None:
    """A leap day comes, the other day field may name one, February has a last day and, in some years, five Mondays."""
    assert parse_cron(text).text == text


@pytest.mark.parametrize(("cron", "rule"), [("0 0 30 2 *", "never_fires"), ("0 25 * * *", "invalid_cron")])
def test_a_spec_with_such_an_expression_is_not_loaded(cron: str, rule: str) -> None:
    """The problem stands where the expression does."""
    with pytest.raises(SpecInvalid) as refused:
        load_text(SPEC.format(cron=cron), "night.yaml")

    (problem,) = refused.value.problems
    assert (problem.rule, problem.line, problem.path) == (rule, 6, "triggers[0].schedule.cron")
    assert problem.column > 0


@given(st.text(alphabet="0123456789*/,-#?lLwWhHrR()@ monfridaylyJAN\t\n٣", max_size=30))
def test_any_text_is_an_expression_or_refused_as_one(text: str) -> None:
    """Nothing else is raised."""
    with suppress(InvalidCron):
        parse_cron(text)


@given(st.lists(st.text(alphabet="0123456789*/,-#?lwhr", min_size=1, max_size=6), min_size=5, max_size=6))
def test_any_fields_are_an_expression_or_refused_as_one(fields: list[str]) -> None:
    """Nothing else is raised, and an expression has times."""
    with suppress(InvalidCron):
        cron = parse_cron(" ".join(fields))
        assert cron.hours
        assert cron.minutes
        assert cron.seconds
