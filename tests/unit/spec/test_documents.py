from typing import Any

import pytest

from orchestrator.spec.documents import read_json, read_yaml


def data(text: str) -> Any:
    """The one document of a text that has no problem."""
    (document,) = read_yaml(text)
    assert document.problems == ()
    return document.data


@pytest.mark.parametrize("text", ["on", "yes", "no", "off", "1:30", "2026-01-01", "1_000", "0b1", "<<", "="])
def test_what_only_yaml_1_1_reads_otherwise_is_text(text: str) -> None:
    """YAML 1.2's core schema has no such booleans, numbers, dates or merges."""
    assert data(f"value: {text}") == {"value": text}
    assert data(f"{text}: value") == {text: "value"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.2.0", "1.2.0"),
        ("10%", "10%"),
        ("'12'", "12"),
        ("!!str 12", "12"),
    ],
)
def test_scalars_are_read_by_the_core_schema(text: str, value: Any) -> None:
    """Null, booleans, whole numbers and fractions; anything else is text."""
    read = data(f"value: {text}")["value"]

    assert read == value
    assert type(read) is type(value)


def test_doubled_key_is_an_error_with_its_place() -> None:
    """The first stands, and the reading goes on."""
    (document,) = read_yaml("a: 1\nb:\n  - x: 1\n    x: 2\na: 3\n")

    assert document.data == {"a": 1, "b": [{"x": 1}]}
    assert [(p.rule, p.path, p.line, p.column) for p in document.problems] == [
        ("duplicate_key", "b[0].x", 4, 5),
        ("duplicate_key", "a", 5, 1),
    ]


@pytest.mark.parametrize(
    ("text", "rule"), [("a: !!python/none", "yaml_tag"), ("1: a", "not_json"), ("? [a]\n: b", "not_json")]
)
def test_what_json_cannot_say_is_an_error(text: str, rule: str) -> None:
    """Tags of other languages, names that are not texts."""
    (document,) = read_yaml(text)

    assert [problem.rule for problem in document.problems] == [rule]


def test_alias_stands_for_what_it_names() -> None:
    """As written there."""
    assert data("a: &x {n: 1}\nb: *x") == {"a": {"n": 1}, "b": {"n": 1}}


def test_alias_to_itself_is_an_error() -> None:
    """It would never end."""
    (document,) = read_yaml("a: &x\n  b: *x\n")

    assert [problem.rule for problem in document.problems] == ["yaml_alias"]


def test_aliases_that_multiply_are_an_error() -> None:
    """A short text cannot become a huge one."""
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))

    (document,) = read_yaml(f"l0: &l0 [x]\n{layers}\n")

    assert [problem.rule for problem in document.problems] == ["yaml_alias"]


def test_syntax_error_says_where_and_keeps_the_documents_before_it() -> None:
    """They have been read by then."""
    first, second = read_yaml("a: 1\n---\nb: [1\n")

    assert first.data == {"a": 1}
    assert [(p.rule, p.line) for p in second.problems] == [("yaml_syntax", 4)]


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_endless_nesting_is_an_error(read: Any) -> None:
    """Not a crash."""
    (document,) = read("[" * 100_000)

    assert [problem.rule for problem in document.problems] in (["too_deep"], ["yaml_syntax"], ["json_syntax"])


def test_places_are_those_of_the_names_and_members() -> None:
    """Lines and columns count from 1; what was not written has the place of what is around it."""
    (document,) = read_yaml("steps:\n  - id: a\n    onSuccess: b\n")

    assert document.positions.find(("steps", 0)) == (2, 5)
    assert document.positions.find(("steps", 0, "on_success")) == (3, 5)
    assert document.positions.find(("steps", 0, "retry", "delay")) == (2, 5)


def test_json_has_places_and_doubled_keys_as_well() -> None:
    """Tabs and escapes are JSON's own."""
    (document,) = read_json('{\n\t"a": {"x": "\\ud83d\\ude00", "x": 2}\n}')

    assert document.data == {"a": {"x": "😀"}}
    assert [(p.rule, p.path, p.line) for p in document.problems] == [("duplicate_key", "a.x", 2)]


def test_json_syntax_error_has_its_place() -> None:
    """As the JSON reader says."""
    (document,) = read_json('{\n  "a": 1,\n}')

    assert [problem.rule for problem in document.problems] == ["json_syntax"]
    assert document.problems[0].line in (2, 3)  # Python 3.13 blames the comma, earlier ones what follows it
