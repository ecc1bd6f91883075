"""Where boxes stand."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dashboard.drawing.layout import layered

BOX = (100.0, 40.0)


def test_steps_that_follow_each_other_stand_below_each_other() -> None:
    """In one column, in their order."""
    found = layered(dict.fromkeys("abc", BOX), [("a", "b"), ("b", "c")], "abc")

    assert [found.layers[one] for one in "abc"] == [0, 1, 2]
    assert {found.places[one][0] for one in "abc"} == {0.0}


def test_what_is_off_the_trunk_stands_beside_it() -> None:
    """A failure's handler is a layer below, to the right."""
    found = layered(dict.fromkeys("abf", BOX), [("a", "b"), ("a", "f")], "ab")

    assert found.layers["f"] == found.layers["b"]
    assert found.places["f"][0] > found.places["b"][0]


def test_a_loop_is_drawn_forward_with_one_edge_back() -> None:
    """The edge that closes it."""
    found = layered(dict.fromkeys("abc", BOX), [("a", "b"), ("b", "c"), ("c", "a")], "abc")

    assert found.back == {("c", "a")}
    assert found.layers == {"a": 0, "b": 1, "c": 2}


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_boxes_never_overlap_and_edges_lead_down(pairs: set[tuple[int, int]]) -> None:
    """Whatever leads where: each box has a place of its own within the whole, and only back edges lead up."""
    edges = [(str(start), str(end)) for start, end in sorted(pairs)]
    sizes = {str(number): (60.0 + 10 * number, 30.0 + number) for number in range(10)}

    found = layered(sizes, edges)

    for one, other in combinations(sizes, 2):
        (x1, y1), (x2, y2) = found.places[one], found.places[other]
        apart = x1 + sizes[one][0] <= x2 or x2 + sizes[other][0] <= x1
        assert apart or y1 + sizes[one][1] <= y2 or y2 + sizes[other][1] <= y1
    assert all(found.layers[start] < found.layers[end] for start, end in edges if (start, end) not in found.back)
    assert all(x + sizes[one][0] <= found.width + 1e-6 for one, (x, _) in found.places.items())


def test_a_flow_may_be_as_long_as_the_spec_allows() -> None:
    """A thousand boxes below each other, and a way back from the last to the first."""
    names = [f"s{number}" for number in range(1_000)]
    edges = [*pairwise(names), (names[-1], names[0])]

    layout = layered(dict.fromkeys(names, (10.0, 10.0)), edges, names)

    assert [layout.layers[name] for name in names] == list(range(1_000))
    assert layout.back == {(names[-1], names[0])}
