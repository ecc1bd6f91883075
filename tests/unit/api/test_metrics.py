"""What Prometheus reads, and who may; and that dashboards and alert rules name nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.api.app import create_app
from orchestrator.errors import Unreachable
from orchestrator.monitor.following import Following
from orchestrator.monitor.metrics import MetricsReader
from tests.unit.api.conftest import BASE, Receive, Reception

MONITORING = Path(__file__).parents[3] / "docs" / "monitoring"
URL = BASE.removesuffix("/api/v1/") + "/metrics"


@pytest.fixture
def desk(receive: Receive) -> Reception:
    """An API of a workflow that two runs of have completed, and been counted."""
    desk = receive(metrics_steps=True)
    around = desk.around
    around.publish()
    for _ in range(2):
        around.work(around.start(), "a")
    Following(MetricsReader(around.store, around.sums), around.store, around.registry, 2).turn()
    return desk


def series(text: str) -> dict[str, float]:
    """Name with labels -> value."""
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True)}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_what_was_counted(desk: Reception) -> None:
    """By workflow and version; times as histograms whose last bucket has all."""
    answer = desk.as_role("viewer").get(URL)

    labels = {"version": "1.0.0", "workflow": "test.flow"}
    found = series(answer.text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert found[f"orchestrator_runs_started_total{json.dumps(labels)}"] == 2
    assert found[f"orchestrator_runs_completed_total{json.dumps(labels)}"] == 2
    assert found[f"orchestrator_run_duration_seconds_bucket{json.dumps({'le': '+Inf'} | labels)}"] == 2
    step = json.dumps({"step": "a"} | labels)
    assert found[f"orchestrator_step_completed_total{step}"] == 2
    assert found['orchestrator_feed_lag_seconds{"reader": "metrics"}'] == 0


def test_series_of_steps_are_there_only_if_they_are_wanted(receive: Receive) -> None:
    """There may be many."""
    names = set(re.findall(r"^# TYPE (\S+)", receive().as_role("viewer").get(URL).text, re.MULTILINE))

    assert "orchestrator_step_completed_total" not in names
    assert "orchestrator_steps_completed_total" in names


def test_openmetrics_is_given_to_who_asks_for_it(desk: Reception) -> None:
    """It ends as that form has to."""
    answer = desk.as_role("viewer").get(URL, headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_key_is_asked_for_unless_the_setting_says_otherwise(receive: Receive) -> None:
    """And one for some workflows only does not see all."""
    closed = receive()
    assert closed.anybody().get(URL).status_code == 401
    assert closed.as_role("viewer", workflows=("a.*",)).get(URL).status_code == 403

    open_ = receive(metrics_public=True)
    assert open_.anybody().get(URL).status_code == 200
    assert open_.anybody().get("stats").status_code == 401


def test_a_broker_that_is_away_is_said_so(desk: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known without it is there all the same."""

    def away(*_: object) -> None:
        raise Unreachable("the broker does not answer")

    monkeypatch.setattr("orchestrator.client.workers.RedisFleet.queues", away)

    found = series(desk.as_role("viewer").get(URL).text)

    assert found["orchestrator_broker_up{}"] == 0
    assert any(name.startswith("orchestrator_runs_started_total") for name in found)


def test_the_api_answers_with_a_workflows_stats(desk: Reception) -> None:
    """To those who may see it; what cannot be read is refused."""
    viewer = desk.as_role("viewer")

    answer = viewer.get("workflows/test.flow/stats", params={"since": "2h"})

    assert answer.json()["total"]["completed"] == 2
    assert len(answer.json()["hours"]) == 3
    assert viewer.get("workflows/test.flow/stats", params={"since": "soon"}).status_code == 422
    assert viewer.get("workflows/test.none/stats").status_code == 404
    assert desk.as_role("viewer", workflows=("a.*",)).get("workflows/test.flow/stats").status_code == 404


@pytest.mark.parametrize("page", ["grafana.json", "alerts.yaml"])
def test_dashboards_and_rules_name_only_series_that_there_are(desk: Reception, page: str) -> None:
    """Every name in every expression is in the text that Prometheus reads."""
    text = (MONITORING / page).read_text()
    document = json.loads(text) if page.endswith(".json") else yaml.safe_load(text)
    named = set(re.findall(r"\borchestrator_[a-z_]+", json.dumps(document)))
    told = desk.as_role("viewer").get(URL).text

    known = set(re.findall(r"^(orchestrator_[a-z_]+)", told, re.MULTILINE))
    known |= set(re.findall(r"^# TYPE (orchestrator_[a-z_]+)", told, re.MULTILINE))
    histograms = re.findall(r"^# TYPE (\S+) histogram", told, re.MULTILINE)
    known |= {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    assert named
    assert named <= known


def test_the_metrics_are_no_part_of_the_apis_document(desk: Reception) -> None:
    """They are Prometheus's affair; the stats are one."""
    document = create_app(desk.around.client).openapi()

    assert "/metrics" not in document["paths"]
    assert "/api/v1/workflows/{key}/stats" in document["paths"]
