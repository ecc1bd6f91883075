"""The output of several processes in one terminal."""

from io import StringIO

from rich.console import Console

from orchestrator.local import labelled


def test_each_line_stands_behind_its_process_name() -> None:
    """Names are padded to one width, and what looks like markup is printed as it is."""
    output = StringIO()
    show = labelled(Console(file=output, width=20), width=6)

    show("beat", "tick [red]")
    show("worker", "a line that is much longer than the terminal")

    assert output.getvalue() == "beat   │ tick [red]\nworker │ a line that is much longer than the terminal\n"


def test_each_name_keeps_a_colour_of_its_own() -> None:
    """The first two names differ; the same name does not change."""
    output = StringIO()
    show = labelled(Console(file=output, force_terminal=True, color_system="standard"))

    for name in ("beat", "worker", "beat"):
        show(name, "x")

    first, second, third = output.getvalue().splitlines()
    assert first == third
    assert first.replace("beat  ", "worker") != second
