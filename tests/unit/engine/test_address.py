from __future__ import annotations

import pytest

from orchestrator.engine.address import DRAIN, RUN, Address, is_undo, parse_address, undo_of, undone_by


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("charge", Address("charge")),
        ("charge~", Address("charge", undo=True)),
        ("poll#2", Address("poll", visit=2)),
        ("ship[3]/pack", Address("pack", flow="ship[3]")),
        ("orders[1]/ship[3]/charge#2~", Address("charge", flow="orders[1]/ship[3]", visit=2, undo=True)),
        ("s-1_b", Address("s-1_b")),
    ],
)
def test_an_address_is_read_and_written_the_same(text: str, address: Address) -> None:
    """Steps, visits, undos and steps of containers each have one name."""
    assert parse_address(text) == address
    assert str(address) == text


def test_the_first_visit_is_not_written() -> None:
    """`poll#1` and `poll` would be two names of one step."""
    assert str(Address("poll", visit=1)) == "poll"


@pytest.mark.parametrize("text", ["", RUN, DRAIN, "1st", "a b", "a~~", "~a", "a#", "a#x", "/a", "a/"])
def test_what_names_no_step_is_no_address(text: str) -> None:
    """The run and the undo of its flow are not steps."""
    with pytest.raises(ValueError, match="not an address"):
        parse_address(text)


@pytest.mark.parametrize("step", ["charge", "ship[3]/charge#2"])
def test_a_step_and_its_undo_name_each_other(step: str) -> None:
    """Two steps never share an undo, whatever operation undoes them (RULES 10)."""
    assert undo_of(step) == f"{step}~"
    assert undone_by(undo_of(step)) == step
    assert is_undo(undo_of(step))


@pytest.mark.parametrize("address", ["charge", RUN, DRAIN])
def test_only_a_steps_undo_is_an_undo(address: str) -> None:
    """The undo of the flow is an address of its own kind."""
    assert not is_undo(address)
