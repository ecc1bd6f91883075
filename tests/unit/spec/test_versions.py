import pytest

from orchestrator.spec.versions import is_prerelease, is_requirement, latest_stable, parse_version, satisfies


def test_versions_compare_as_semver_says() -> None:
    """Numbers by value, a prerelease before its release, numeric parts before texts."""
    ordered = ["1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.2.0", "1.10.0"]
    shuffled = ordered[::-2] + ordered[::2]

    assert sorted(shuffled, key=parse_version) == ordered


@pytest.mark.parametrize("text", ["1.0", "v1.0.0", "01.0.0", "", "latest", "1.0.0-"])
def test_what_is_no_version_is_refused_by_name(text: str) -> None:
    """The message has the text and shows the right form."""
    with pytest.raises(ValueError, match=r"is not a semantic version; write it as `1\.2\.0`"):
        parse_version(text)


def test_latest_is_the_highest_stable_version() -> None:
    """Prereleases, deprecated versions and anything below stable are never the latest."""
    versions = {
        "1.9.0": "stable",
        "1.10.0": "stable",
        "1.11.0": "beta",
        "2.0.0": "deprecated",
        "3.0.0-rc.1": "stable",
    }

    assert latest_stable(versions) == "1.10.0"


def test_without_a_stable_version_there_is_no_latest() -> None:
    """Not even when there are others."""
    assert latest_stable({"1.0.0": "experimental", "1.1.0-rc.1": "stable"}) is None


@pytest.mark.parametrize(
    ("version", "requirement", "fits"),
    [
        ("1.2.3", "1.2.3", True),
        ("1.2.4", "1.2.3", False),
        ("1.9.0", "^1.2.3", True),
        ("1.2.2", "^1.2.3", False),
        ("2.0.0", "^1.2.3", False),
        ("0.2.9", "^0.2.3", True),
        ("0.3.0", "^0.2.3", False),
        ("0.0.4", "^0.0.3", False),
        ("1.3.0-rc.1", "^1.2.3", False),
        ("1.2.3-rc.2", "^1.2.3-rc.1", True),
    ],
)
def test_a_caret_keeps_the_first_number_that_is_not_zero(version: str, requirement: str, *, fits: bool) -> None:
    """And takes a prerelease only of the very version that it names."""
    assert satisfies(version, requirement) is fits


def test_a_child_may_ask_for_an_exact_version_a_range_or_the_latest() -> None:
    """Nothing else."""
    assert all(map(is_requirement, ["1.2.0", "^1.2.0", "latest"]))
    assert not any(map(is_requirement, ["~1.2.0", "1.x", ">=1.0.0", "newest"]))


def test_prerelease_is_what_has_a_dash_part() -> None:
    """A build alone is none."""
    assert is_prerelease("1.0.0-rc.1")
    assert not is_prerelease("1.0.0+build.5")
