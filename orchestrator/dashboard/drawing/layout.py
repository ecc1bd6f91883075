"""Where the boxes of one flow stand: in layers from top to bottom, what a run usually goes through in one column.

Layers are longest paths from the entries once edges that lead back are taken out (Sugiyama, Tagawa and Toda 1981); the
order within a layer is that of the boxes' neighbours above (their barycentre).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

GAP_X: Final = 28
GAP_Y: Final = 40

Edge = tuple[str, str]
Size = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """The place of every box's upper left corner, and the size of it all."""

    places: Mapping[str, tuple[float, float]]
    layers: Mapping[str, int]
    back: frozenset[Edge]
    """The edges that lead back up."""
    width: float
    height: float


def layered(sizes: Mapping[str, Size], edges: Sequence[Edge], trunk: Sequence[str] = ()) -> Layout:
    """Place boxes; those of `trunk` stand below each other, without one every layer is centred."""
    known = [(start, end) for start, end in edges if start in sizes and end in sizes]
    back = _back_edges([*sizes], known)
    forward = [edge for edge in known if edge not in back]
    layers = _layers([*sizes], forward)
    rows = _rows(sizes, layers, forward, trunk)
    places, y = dict[str, tuple[float, float]](), 0.0
    trunk_width = max((sizes[one][0] for one in trunk if one in sizes), default=0.0)
    widths = [_row_width(row, sizes, trunk, trunk_width) for row in rows]
    width = max(widths, default=0.0)
    for row, row_width in zip(rows, widths, strict=True):
        x = trunk_width + GAP_X if trunk else (width - row_width) / 2
        for one in row:
            own = sizes[one][0]
            if one in trunk:
                places[one] = ((trunk_width - own) / 2, y)
                continue
            places[one] = (x, y)
            x += own + GAP_X
        y += max(sizes[one][1] for one in row) + GAP_Y
    return Layout(places, layers, back, width, max(0.0, y - GAP_Y))


def _row_width(row: Sequence[str], sizes: Mapping[str, Size], trunk: Sequence[str], trunk_width: float) -> float:
    others = [sizes[one][0] for one in row if one not in trunk]
    columns = [trunk_width, *others] if trunk else others
    return sum(columns) + GAP_X * (len(columns) - 1)


def _back_edges(boxes: Sequence[str], edges: Sequence[Edge]) -> frozenset[Edge]:
    """Edges to a box that is being gone through: without them nothing leads to itself."""
    after: dict[str, list[str]] = {one: [] for one in boxes}
    for start, end in edges:
        after[start].append(end)
    found, done, path = set[Edge](), set[str](), set[str]()
    for first in boxes:
        ways = [] if first in done else [(first, iter(after[first]))]
        path.update(box for box, _ in ways)
        while ways:  # no recursion: a flow may be a thousand boxes long
            box, left = ways[-1]
            following = next(left, None)
            if following is None:
                ways.pop()
                path.discard(box)
                done.add(box)
            elif following in path:
                found.add((box, following))
            elif following not in done:
                ways.append((following, iter(after[following])))
                path.add(following)
    return frozenset(found)


def _layers(boxes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The length of the longest path to each box; the edges lead in no circle."""
    after: dict[str, list[str]] = {one: [] for one in boxes}
    waits = dict.fromkeys(boxes, 0)
    for start, end in edges:
        after[start].append(end)
        waits[end] += 1
    layers = dict.fromkeys(boxes, 0)
    ready = [one for one in boxes if not waits[one]]
    while ready:
        box = ready.pop()
        for following in after[box]:
            layers[following] = max(layers[following], layers[box] + 1)
            waits[following] -= 1
            if not waits[following]:
                ready.append(following)
    return layers


def _rows(
    sizes: Mapping[str, Size], layers: Mapping[str, int], edges: Sequence[Edge], trunk: Sequence[str]
) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for one in sizes:
        rows[layers[one]].append(one)
    column: dict[str, float] = {}
    before: dict[str, list[str]] = {one: [] for one in sizes}
    for start, end in edges:
        before[end].append(start)
    for row in rows:
        centres = {one: [column[start] for start in before[one] if start in column] for one in row}
        usual = {one: place for place, one in enumerate(row)}
        row.sort(
            key=lambda one: (
                one not in trunk,
                sum(centres[one]) / len(centres[one]) if centres[one] else float(usual[one]),
                usual[one],
            )
        )
        column |= {one: place - (len(row) - 1) / 2 for place, one in enumerate(row)}
    return rows
