"""No spec ships untested."""

from pathlib import Path

from tests.unit.specs.conftest import SPECS


def test_every_spec_has_tests() -> None:
    """`specs/branch.yaml` is tested in `test_branch.py`, beside this file."""
    shipped = {file.stem for file in SPECS.iterdir() if file.suffix in (".py", ".yaml")}

    tested = {file.stem.removeprefix("test_") for file in Path(__file__).parent.glob("test_*.py")}

    assert shipped - tested == set()
