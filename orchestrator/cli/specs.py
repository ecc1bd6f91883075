"""Commands about specs: validate, plan, publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect, import_operations, load_specs, read_settings
from orchestrator.cli.views import indented, problem_line
from orchestrator.client.publishing import examine, unknown_channels
from orchestrator.client.shown import Published
from orchestrator.errors import Problem, SpecInvalid
from orchestrator.plan.mermaid import to_mermaid
from orchestrator.plan.plan import compile_plan
from orchestrator.plan.record import to_json
from orchestrator.plan.text import to_text
from orchestrator.plan.tree import canvas_of
from orchestrator.spec.canonical import digest
from orchestrator.spec.loader import LoadedSpec
from orchestrator.spec.operations import OPERATIONS

Format = Literal["text", "mermaid", "json"]


def validate(output: Output, paths: Sequence[Path]) -> bool:
    """Show every problem of the specs; whether `publish` would take them."""
    settings = read_settings()
    import_operations(settings)
    loaded: list[LoadedSpec] = []
    try:
        loaded = load_specs(paths)
    except SpecInvalid as error:
        problems = list(error.problems)
    else:
        problems = [problem for one in loaded for problem in one.problems]
        problems += [problem for one in loaded for problem in unknown_channels(one.spec, settings.alerts)]
    valid = not any(problem.severity == "error" for problem in problems)
    if output.as_json:
        workflows = [_summary(one) for one in loaded]
        output.document({"valid": valid, "workflows": workflows, "problems": [asdict(problem) for problem in problems]})
        return valid
    output.say(*map(problem_line, problems))
    output.say(_verdict(loaded, problems))
    return valid


def digests(output: Output, paths: Sequence[Path]) -> None:
    """Write each workflow's name and digest, one a line, in the order of their names."""
    named = {f"{one.spec.meta.key}@{one.spec.meta.version}": digest(one.spec) for one in load_specs(paths)}
    for name in sorted(named):
        output.console.out(f"{name} {named[name]}", highlight=False)


def plan(output: Output, path: Path, form: Format) -> None:
    """Show what each workflow of a file compiles to; JSON is one document a line if there are several."""
    settings = read_settings()
    import_operations(settings)
    loaded = load_specs([path])
    for number, one in enumerate(loaded):
        found, _ = examine(one.spec, OPERATIONS, None)
        compiled = compile_plan(one.spec, found, digest=digest(one.spec))
        canvas = canvas_of(compiled, message_bytes=settings.message_bytes)
        if form == "json":
            write = output.document if len(loaded) == 1 else output.record
            write(to_json(compiled, canvas, lanes=settings.lanes))
        else:
            chart = form == "mermaid"
            text = to_mermaid(compiled) if chart else to_text(compiled, canvas, lanes=settings.lanes)
            output.console.out("\n" * bool(number) + text, end="", highlight=False)


def publish(output: Output, paths: Sequence[Path]) -> None:
    """Publish every workflow of the paths, or none if one of them has errors."""
    orchestrator = connect()
    import_operations(orchestrator.settings)
    published = []
    for one in load_specs(paths):
        version = orchestrator.publish(one.spec)
        published.append(version)
        output.say(published_line(version), *(indented(problem_line(problem)) for problem in version.warnings))
    if output.as_json:
        output.document([asdict(version) for version in published])


def published_line(version: Published) -> Text:
    """One published version."""
    word, style = ("published", "green") if version.created else ("unchanged", "dim")
    return Text.assemble((f"{word}  ", style), f"{version.key} {version.version}", (f"  {version.digest[:12]}", "dim"))


def _summary(loaded: LoadedSpec) -> dict[str, str]:
    meta = loaded.spec.meta
    return {"key": meta.key, "version": meta.version, "digest": digest(loaded.spec), "source": loaded.source}


def _verdict(loaded: Sequence[LoadedSpec], problems: Sequence[Problem]) -> Text:
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    notes = f", {_count(warnings, 'warning')}" if warnings else ""
    if errors:
        return Text(f"✗ {_count(errors, 'error')}{notes}", style="red")
    return Text(f"✓ {_count(len(loaded), 'workflow')} can be published{notes}", style="green")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
