"""specs/dag.yaml."""

from orchestrator.testing import fail, ok
from tests.unit.specs.conftest import Shipped

SENT = {"messageId": "m-1"}


def test_the_report_waits_for_figures_and_rates(shipped: Shipped) -> None:
    """And is published where that is asked for."""
    run = shipped("dag.yaml").real().run({"publish": True})

    assert run.output == {"report": "2 open, rates: completed", "published": True}
    assert run.path.index("report") > max(run.path.index("reconcile"), run.path.index("rates"))
    assert run.step("alert").state == "skipped"


def test_the_rates_may_fail(shipped: Shipped) -> None:
    """The report says so."""
    run = shipped("dag.yaml").real().script("rates", fail("source_missing")).run()

    assert (run.status, run.output["report"]) == ("completed", "2 open, rates: failed")


def test_without_payments_nothing_is_reported_and_somebody_is_told(shipped: Shipped) -> None:
    """The alert is the only step that still runs."""
    flow = shipped("dag.yaml").real().script("payments", fail("source_missing"))

    run = flow.script("alert", ok(SENT)).run({"publish": True})

    assert (run.status, run.error["step"]) == ("failed", "payments")
    assert "alert" in run.path
    assert [call.address for call in run.calls if call.address in ("reconcile", "report", "publish")] == []
