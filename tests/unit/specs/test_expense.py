"""specs/expense.yaml."""

from datetime import timedelta

from tests.unit.specs.conftest import Shipped

FORM = {"cost_centre": "C-7"}


def test_a_small_claim_needs_the_manager_alone(shipped: Shipped) -> None:
    """What the form says is read by the steps behind."""
    flow = shipped("expense.yaml").real()
    run = flow.start({"amount": 900, "manager": "ann"}).until("manager").advance(0)

    run.approve("manager", by="ann", form=FORM).finish()

    assert run.status == "completed"
    assert run.calls_of("pay")[0].input == {"reason": "pay 900 from C-7"}


def test_a_large_claim_needs_most_of_the_board_besides(shipped: Shipped) -> None:
    """Two of three."""
    flow = shipped("expense.yaml").real()
    run = flow.start({"amount": 200_000, "manager": "ann"}).until("manager").advance(0)
    run.approve("manager", by="ann", form=FORM).until("board").advance(0)

    run.approve("board", by="ada").reject("board", by="bert").approve("board", by="cleo").finish()

    assert run.path == ["manager", "large", "board", "pay"]


def test_a_claim_that_is_rejected_tells_the_manager(shipped: Shipped) -> None:
    """And the run fails with what was decided."""
    flow = shipped("expense.yaml").real()
    run = flow.start({"amount": 900, "manager": "ann@example.com"}).until("manager").advance(0)

    run.reject("manager", by="ann@example.com", comment="no receipt").finish()

    assert (run.status, run.error["code"], run.error["message"]) == (
        "failed",
        "rejected",
        "ann@example.com rejected it: no receipt",
    )
    assert run.calls_of("tell")[0].input["reason"] == "rejected"


def test_finance_may_decide_after_three_days(shipped: Shipped) -> None:
    """The manager is reminded every day until then, and on."""
    flow = shipped("expense.yaml").real()
    run = flow.start({"amount": 900, "manager": "ann"}).until("manager")

    run.advance("3d1h").approve("manager", by="bob", groups=["finance"], form=FORM).finish()

    kinds = [event["type"] for event in run.history]
    assert (kinds.count("approval_reminder"), kinds.count("approval_escalated")) == (3, 1)
    assert run.duration == timedelta(days=3, hours=1)
