"""Commands about the versions of a workflow: versions, traffic, deprecate."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect
from orchestrator.cli.views import moment
from orchestrator.client.shown import VersionStatus
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import InvalidTraffic
from orchestrator.spec.traffic import Traffic

DIGEST_SHOWN = 12


def versions(output: Output, workflow: str) -> None:
    """Show every version: what it takes of new runs, and how many runs live on it."""
    found = connect().versions(workflow)
    if output.as_json:
        output.document([one.to_json() for one in found])
    output.say(_table(found))


def traffic(output: Output, workflow: str, weights: Sequence[str], *, by: str | None, clear: bool) -> None:
    """Show, set or clear how new runs are shared out."""
    if clear and (weights or by):
        raise InvalidTraffic("--clear takes no versions and no --by")
    if by and not weights:
        raise InvalidTraffic("--by needs versions beside it: 1.0.0=90 1.1.0=10")
    orchestrator = connect()
    if clear:
        orchestrator.clear_traffic(workflow)
    split = orchestrator.traffic(workflow, _weights(weights) if weights else None, by=by)
    if output.as_json:
        output.document({"workflow": workflow, "weights": split.weights if split else None, "by": split and split.by})
    else:
        _show_split(output, orchestrator, workflow, split)


def deprecate(output: Output, workflow: str, version: str, *, undo: bool) -> None:
    """Mark a version as deprecated, or take the mark off; warn if it goes on taking new runs."""
    orchestrator = connect()
    orchestrator.deprecate(workflow, version, undo=undo)
    status = next(one for one in orchestrator.versions(workflow) if one.version == version)
    if output.as_json:
        output.document(status.to_json())
    words = ("no longer deprecated", "green") if undo else ("deprecated", "yellow")
    live = f", {_runs(status.live_runs)} live on it"
    output.say(Text.assemble(f"{workflow} {version} is ", words, live))
    if status.deprecated_at and status.takes_percent:
        output.warn(f"the traffic split still gives it {status.takes_percent:g} % of new runs")


def _show_split(output: Output, orchestrator: RedisOrchestrator, workflow: str, split: Traffic | None) -> None:
    offer = orchestrator.catalogue.offer(workflow)
    if split is None:
        which = f"take {offer.latest}, the highest stable version" if offer.latest else "must name a version"
        output.say(Text(f"no split: new runs of {workflow} {which}"))
        return
    table = _columns("version", "weight", "share")
    for version, weight in split.weights.items():
        table.add_row(version, f"{weight:g}", f"{split.percent(version):.4g} %")
    output.say(table, Text(f"by {split.by}" if split.by else "by run id", style="dim"))
    for version, weight in split.weights.items():
        if weight and offer.is_deprecated(version):
            output.warn(f"{workflow} {version} is deprecated")


def _table(found: Sequence[VersionStatus]) -> Table:
    table = _columns("version", "stability", "digest", "published (UTC)", "new runs", "live")
    for one in found:
        stability = Text(one.stability) if one.deprecated_at is None else Text("deprecated", style="yellow")
        share = f"{one.takes_percent:.4g} %" if one.takes_percent else ""
        published = moment(one.published_at)
        table.add_row(one.version, stability, one.digest[:DIGEST_SHOWN], published, share, str(one.live_runs))
    return table


def _columns(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        numbers = name in {"weight", "share", "new runs", "live"}
        table.add_column(name, no_wrap=True, justify="right" if numbers else "left")
    return table


def _weights(given: Sequence[str]) -> dict[str, float]:
    """The versions and weights of `1.0.0=90 1.1.0=10`."""
    weights: dict[str, float] = {}
    for text in given:
        version, _, number = text.rpartition("=")
        try:
            weight = float(number)
        except ValueError as error:
            raise InvalidTraffic(f"write a version with its weight, as 1.0.0=90, not {text!r}") from error
        if version in weights:
            raise InvalidTraffic(f"{version} stands there twice", version=version)
        weights[version] = int(weight) if weight.is_integer() else weight
    return weights


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"
