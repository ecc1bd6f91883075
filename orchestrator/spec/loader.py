"""Reads workflows from Python, YAML and JSON files, and reports everything that is wrong with them, with its place."""

from __future__ import annotations

import ast
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Final

from pydantic import ValidationError

from orchestrator.errors import Problem, SpecInvalid
from orchestrator.spec import lint
from orchestrator.spec.documents import Document, read_json, read_yaml
from orchestrator.spec.lint import KnownOperations
from orchestrator.spec.lint_partial import check_rest
from orchestrator.spec.problems import problems_of
from orchestrator.spec.workflow import WorkflowSpec

SUFFIXES: Final = (".py", ".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A spec without errors, where it came from, and the warnings about it."""

    spec: WorkflowSpec
    source: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """What one document gave: a spec if its fields are right, and problems."""

    spec: WorkflowSpec | None
    source: str
    problems: tuple[Problem, ...]


def load_path(path: str | Path, operations: KnownOperations | None = None) -> list[LoadedSpec]:
    """Every workflow of a file, or of a folder's files; SpecInvalid lists every problem of any of them."""
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and not _is_hidden(file, path))
    else:
        files = [path]
    return _without_errors(read for file in files for read in _read_file(file, operations))


def load_text(text: str, name: str, operations: KnownOperations | None = None) -> list[LoadedSpec]:
    """Every workflow of a text, read as the suffix of `name` says."""
    return _without_errors(_read_text(text, name, operations))


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def _without_errors(reads: Iterable[_Read]) -> list[LoadedSpec]:
    found = list(reads)
    problems = [problem for read in found for problem in read.problems]
    if any(problem.severity == "error" for problem in problems):
        raise SpecInvalid(problems)
    return [LoadedSpec(read.spec, read.source, read.problems) for read in found if read.spec is not None]


def _read_file(file: Path, operations: KnownOperations | None) -> Iterator[_Read]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("unreadable_file", f"the file cannot be read: {error}", file=str(file))
        return iter([_Read(None, str(file), (problem,))])
    return _read_text(text, str(file), operations)


def _read_text(text: str, name: str, operations: KnownOperations | None) -> Iterator[_Read]:
    match Path(name).suffix:
        case ".py":
            return _read_python(text, name, operations)
        case ".yaml" | ".yml":
            return _read_documents(read_yaml(text), name, operations)
        case ".json":
            return _read_documents(read_json(text), name, operations)
    problem = Problem("unknown_format", f"write workflows in files that end in {', '.join(SUFFIXES)}", file=name)
    return iter([_Read(None, name, (problem,))])


def _read_documents(documents: Iterable[Document], name: str, operations: KnownOperations | None) -> Iterator[_Read]:
    count = 0
    for document in documents:
        if document.data is None and not document.problems:
            continue  # an empty document, as between two `---`
        count += 1
        spec, problems = None, list(document.problems)
        if document.data is not None:
            try:
                spec = WorkflowSpec.model_validate(document.data)
            except ValidationError as error:
                problems += problems_of(error, document.data, document.positions)
                problems += check_rest(document.data, error, document.positions, operations)
                problems.sort(key=lambda problem: (problem.line, problem.column))
            except RecursionError:
                problems.append(Problem("too_deep", "this is nested too deeply to be read"))
            else:
                problems += lint.check(spec, document.positions, operations)
        yield _Read(spec, name, tuple(replace(problem, file=name) for problem in problems))
    if not count:
        yield _Read(None, name, (Problem("no_workflow", "there is no workflow in this file", file=name),))


def _read_python(text: str, name: str, operations: KnownOperations | None) -> Iterator[_Read]:
    try:
        tree = ast.parse(text, name)
    except SyntaxError as error:
        problem = Problem("python_syntax", error.msg, "", name, error.lineno or 0, error.offset or 0)
        yield _Read(None, name, (problem,))
        return
    places = _step_places(tree)
    try:
        module = _execute(tree, name)
    except Exception as error:  # noqa: BLE001  # a spec file is the author's code: whatever it raises is a problem of it
        problems = _python_problems(error, name)
        yield _Read(None, name, tuple(_at_step(problem, places, name) for problem in problems))
        return
    specs = {title: value for title, value in vars(module).items() if isinstance(value, WorkflowSpec)}
    lines, seen = _assigned_lines(tree), set[int]()
    for title, spec in specs.items():
        if id(spec) in seen:
            continue
        seen.add(id(spec))
        found = (replace(one, line=lines.get(title, 0)) for one in lint.check(spec, None, operations))
        problems = sorted((_at_step(one, places, name) for one in found), key=lambda problem: problem.line)
        yield _Read(spec, name, tuple(problems))
    if not specs:
        message = "no WorkflowSpec stands at the top level of this file"
        yield _Read(None, name, (Problem("no_workflow", message, file=name),))


def _execute(tree: ast.Module, name: str) -> ModuleType:
    """Runs the file as a module of its own, whose name depends on its path only."""
    path = Path(name).resolve()
    module_name = f"orchestrator_spec_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    module = ModuleType(module_name)
    module.__file__ = str(path)
    sys.modules[module_name] = module
    try:
        exec(compile(tree, name, "exec"), vars(module))  # noqa: S102  # a spec in Python is code that the user asks us to run
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _python_problems(error: Exception, name: str) -> list[Problem]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    line = (frames[-1].lineno or 0) if frames else 0
    match error:
        case SpecInvalid():
            found = list(error.problems)
        case ValidationError():
            found = problems_of(error, None)
        case _:
            found = [Problem("python_error", f"the file raised {type(error).__name__}: {error}")]
    return [replace(problem, line=problem.line or line) for problem in found]


def _step_places(tree: ast.Module) -> dict[str, tuple[int, int]]:
    """Where each step is written: the call or the mapping that has its id."""
    places: dict[str, tuple[int, int]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Call(keywords=keywords):
                named: list[tuple[object, ast.expr]] = [(k.arg, k.value) for k in keywords]
            case ast.Dict(keys=keys, values=values):
                named = [(k.value, v) for k, v in zip(keys, values, strict=True) if isinstance(k, ast.Constant)]
            case _:
                continue
        for key, value in named:
            if key == "id" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                places.setdefault(value.value, (node.lineno, node.col_offset + 1))
    return places


def _assigned_lines(tree: ast.Module) -> dict[str, int]:
    """Where each name of the top level is given its value."""
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    return {target.id: node.lineno for node in assigned for target in node.targets if isinstance(target, ast.Name)}


def _at_step(problem: Problem, places: Mapping[str, tuple[int, int]], name: str) -> Problem:
    line, column = places.get(problem.step, (problem.line, problem.column))
    return replace(problem, file=name, line=line, column=column)
