import pytest

from orchestrator.spec.cel_source import StepRead, reads


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("input.amount > 10 && ctx.vip", {"input", "ctx"}),
        ("x.steps.y", {"x"}),
        ("'input.a' + \"steps.b\" + r'ctx'", set()),
        ("'''input \" ''' + ctx.a", {"ctx"}),
        ("a // input.b\n + c", {"a", "c"}),
        ("input.lines.filter(line, line.price > ctx.limit).size()", {"input", "ctx"}),
        ("item.map(item, item.sku)", {"item"}),
        ("[1].map(x, [2].all(y, x + y > z)) == x", {"z", "x"}),
        ("type(input) == int", {"input"}),
        ("{'a': b}.a", {"b"}),
        ("c ? a : b", {"a", "b", "c"}),
        ("true || null in [false]", set()),
    ],
)
def test_roots_are_the_free_names(text: str, roots: set[str]) -> None:
    """Selections, texts, comments, types and variables that macros bind are no roots."""
    assert reads(text).roots == roots


@pytest.mark.parametrize(
    ("text", "step", "field"),
    [
        ("steps.a.output", "a", "output"),
        ('steps["charge-payment"].output', "charge-payment", "output"),
        ("steps['a'][\"status\"]", "a", "status"),
        ("steps . a . error.code", "a", "error"),
        ('steps["\\x61"]', "a", None),
        ("steps.a", "a", None),
        ("steps.a.size()", "a", None),
    ],
)
def test_a_step_read_names_step_and_field(text: str, step: str, field: str | None) -> None:
    """However the step is selected, its name and the field that is read of it are found."""
    assert reads(text).steps == (StepRead(step, field, column=1),)


@pytest.mark.parametrize("text", ["x.steps.a", "'steps.a'", "1 // steps.a", "[1].map(steps, steps.a)"])
def test_what_only_looks_like_a_step_read_is_none(text: str) -> None:
    """Fields of that name, texts, comments and bound variables read no step."""
    assert reads(text).steps == ()


@pytest.mark.parametrize(
    ("text", "path", "asked"),
    [
        ("undo.output.id", ("undo", "output", "id"), False),
        ("input.lines[0]['sku']", ("input", "lines", 0, "sku"), False),
        ("run", ("run",), False),
        ("input.name.size()", ("input", "name"), False),
        ("input.lines[index].sku", ("input", "lines"), False),
        ("has(undo.output)", ("undo", "output"), True),
        ("undo.output != null", ("undo", "output"), True),
        ("undo.output == 1", ("undo", "output"), False),
    ],
)
def test_a_chain_is_a_root_with_the_literal_keys_after_it(text: str, path: tuple[str | int, ...], asked: bool) -> None:
    """Up to a call or a computed key; `has` and null ask whether it is there."""
    chain = reads(text).chains[0]

    assert (chain.path, chain.asked) == (path, asked)


def test_has_guards_every_read_of_that_field_in_the_expression() -> None:
    """`has` on the field itself guards it, whichever way the step is named; on a part of it, it guards nothing."""
    guarded = reads('has(steps["a-b"].output) ? steps.a_b.output : steps.c.output')
    unguarded = reads("has(steps.a.output.x) && steps.a.output.x")

    assert [(read.step, read.guarded) for read in guarded.steps] == [("a-b", True), ("a_b", True), ("c", False)]
    assert not any(read.guarded for read in unguarded.steps)


@pytest.mark.parametrize(
    ("text", "column"),
    [("1 + steps[input.k].output", 5), ("steps", 1), ("size(steps)", 6), ("steps.map(s, s)", 1), ("steps[0]", 1)],
)
def test_a_read_of_steps_that_names_no_step_is_located(text: str, column: int) -> None:
    """A step's id must be literal, so that the reads of a spec are known when it is loaded."""
    assert reads(text).computed_step_column == column


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("input", ("input",)),
        ('input.lines[0]["sku"]', ("input", "lines", 0, "sku")),
        ("input.a + 1", None),
        ("input.a.size()", None),
        ("input[ctx.k]", None),
        ("-input.a", None),
        ("null", None),
        ("int", None),
        ("'a'.b", None),
    ],
)
def test_a_plain_read_is_recognised(text: str, path: tuple[str | int, ...] | None) -> None:
    """Only a chain of literal selections from a root is a plain read."""
    assert reads(text).path == path
