"""The definitions in `specs/` are published: a version that changes its content would be refused where it is."""

from pathlib import Path

from orchestrator.spec.canonical import digest
from orchestrator.spec.loader import load_path

SPECS = Path(__file__).parents[3] / "specs"


def test_no_version_in_specs_has_changed() -> None:
    """Each digest is the one on file. After adding a version: `make digests`; never to let one change."""
    noted = dict(line.split() for line in (SPECS / "digests.txt").read_text().splitlines())

    found = {f"{one.spec.meta.key}@{one.spec.meta.version}": digest(one.spec) for one in load_path(SPECS)}

    assert found == noted
