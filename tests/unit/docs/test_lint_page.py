"""docs/lint.md names every rule that the code can report, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = [*ROOT.glob("orchestrator/spec/*.py"), ROOT / "orchestrator/client/publishing.py"]
REPORTING = {"error", "warning", "Problem", "PydanticCustomError", "Misfit", "_note", "_problem", "_unreadable"}
ROW = re.compile(r"^\| `(\w+)` \| (error|warning)", re.MULTILINE)
FROM_PYDANTIC = {("missing_field", "error"), ("invalid_value", "error")}


def named(call: ast.Call) -> str:
    """The name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def reported(source: Path) -> Iterator[tuple[str, str]]:
    """The rules that a file's calls name, as texts or as constants, with their severities."""
    tree = ast.parse(source.read_text())
    constants = {
        node.target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or named(call) not in REPORTING:
            continue
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        rule = keywords.get("rule") or next(iter(call.args), None)
        rule = constants.get(rule.id) if isinstance(rule, ast.Name) else rule
        if isinstance(rule, ast.Constant) and isinstance(rule.value, str):
            severity = keywords.get("severity")
            warns = named(call) == "warning" or (isinstance(severity, ast.Constant) and severity.value == "warning")
            yield rule.value, "warning" if warns else "error"


def test_the_page_has_one_row_for_each_rule_with_its_severity() -> None:
    """A rule that is added, renamed or removed takes its row with it."""
    rows = ROW.findall((ROOT / "docs/lint.md").read_text())

    assert sorted(rows) == sorted({*FROM_PYDANTIC, *(rule for source in SOURCES for rule in reported(source))})
