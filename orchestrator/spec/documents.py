"""YAML 1.2 and JSON texts as data, with the line and column of every part."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import yaml

from orchestrator.errors import Problem
from orchestrator.spec.fields import snake_case
from orchestrator.spec.problems import Path, Positions, path_text

MAX_NODES: Final = 200_000

_TAG: Final = "tag:yaml.org,2002:"


def _whole(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


_SCALARS: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "null": (r"(?:~|null|Null|NULL|)\Z", lambda _: None),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)\Z", lambda text: text.lower() == "true"),
    "int": (r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z", _whole),
    "float": (
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z",
        lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")) if "." in text else float(text),
    ),
    "str": (r"(?s:.*)\Z", str),
}


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file; `data` is None where it could not be read at all."""

    data: Any
    positions: Positions
    problems: tuple[Problem, ...] = ()


class _Loader(yaml.SafeLoader):
    """Plain scalars as in the core schema of YAML 1.2: `on`, `yes`, `1:30` and dates are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as PyYAML declares it
        None: [(_TAG + name, re.compile(pattern)) for name, (pattern, _) in _SCALARS.items()]
    }


def read_yaml(text: str) -> Iterator[Document]:
    """Each document of a YAML text; the last has a problem if the text ends in a syntax error."""
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            reader = _Reader()
            positions = _position(node)
            yield Document(reader.read(node, positions, ()), positions, tuple(reader.problems))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Positions(mark.line + 1, mark.column + 1) if mark else Positions(1, 1)
        yield _unreadable("yaml_syntax", error.problem or "this is not YAML", place)
    except RecursionError:
        yield _unreadable("too_deep", "this is nested too deeply to be read", Positions(1, 1))
    except yaml.YAMLError as error:
        yield _unreadable("yaml_syntax", str(error).partition("\n")[0], Positions(1, 1))


def read_json(text: str) -> Iterator[Document]:
    """The one document of a JSON text. Places are found by reading it as YAML too, of which JSON is nearly a part."""
    doubled: list[str] = []
    try:
        data = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, doubled))
    except json.JSONDecodeError as error:
        yield _unreadable("json_syntax", error.msg, Positions(error.lineno, error.colno))
        return
    except RecursionError:
        yield _unreadable("too_deep", "this is nested too deeply to be read", Positions(1, 1))
        return
    seen = next(read_yaml(text.replace("\t", " ")), None)
    if seen is not None and seen.data is not None:
        yield Document(data, seen.positions, tuple(p for p in seen.problems if p.rule == "duplicate_key"))
    else:
        problems = [Problem("duplicate_key", f"`{name}` is given twice", name) for name in doubled]
        yield Document(data, Positions(), tuple(problems))


def _object(pairs: list[tuple[str, Any]], doubled: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in pairs:
        if name in data:
            doubled.append(name)
        data.setdefault(name, value)
    return data


def _unreadable(rule: str, message: str, place: Positions) -> Document:
    return Document(None, place, (Problem(rule, message, line=place.line, column=place.column),))


def _position(node: yaml.Node) -> Positions:
    return Positions(node.start_mark.line + 1, node.start_mark.column + 1)


class _Reader:
    """Reads one document's nodes; what is wrong is noted, and the reading goes on."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []
        self._count = 0

    def read(self, node: yaml.Node, place: Positions, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_NODES or any(node is outer for outer in self._open):
            if self._count <= MAX_NODES + 1:
                self._note("yaml_alias", "these aliases never end, or repeat too much", node, path)
            return None
        self._open.append(node)
        try:
            return self._read_open(node, place, path)
        finally:
            self._open.pop()

    def _read_open(self, node: yaml.Node, place: Positions, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, path)
        if isinstance(node, yaml.SequenceNode):
            for index, member in enumerate(node.value):
                place.parts[index] = _position(member)
            return [self.read(member, place.parts[i], (*path, i)) for i, member in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, place: Positions, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = self._scalar(name_node, path) if isinstance(name_node, yaml.ScalarNode) else None
            if not isinstance(name, str):
                self._note("not_json", "a name must be a text; put it in quotes", name_node, path)
                continue
            if name in data:
                self._note("duplicate_key", f"`{name}` is given twice", name_node, (*path, name))
                continue
            inside = _position(name_node)
            place.parts[name] = place.parts[snake_case(name)] = inside
            data[name] = self.read(value_node, inside, (*path, name))
        return data

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        known = _SCALARS.get(node.tag.removeprefix(_TAG))
        with suppress(ValueError, OverflowError):
            if known and (re.match(known[0], node.value) or node.tag == _TAG + "str"):
                return known[1](node.value)
        self._note(
            "yaml_tag", f"the tag `{node.tag}` is not one of JSON's types, or does not fit the value", node, path
        )
        return None

    def _note(self, rule: str, message: str, node: yaml.Node, path: Path) -> None:
        place = _position(node)
        self.problems.append(Problem(rule, message, path_text(path), line=place.line, column=place.column))
