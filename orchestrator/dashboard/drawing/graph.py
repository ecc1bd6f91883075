"""A plan as a picture: its steps, what leads where, and, of a run, the states and the path that it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup

from orchestrator.dashboard.drawing.layout import GAP_Y, Edge, Layout, Size, layered
from orchestrator.dashboard.drawing.progress import Progress
from orchestrator.dashboard.look.markup import joined, tag
from orchestrator.dashboard.look.status import sign_in, tone
from orchestrator.plan.graph import Flow, Node, Plan
from orchestrator.spec.flows import END, FAIL

BOX: Final[Size] = (208.0, 50.0)
TERMINAL: Final[Size] = (208.0, 24.0)
"""The room of an ending; its pill is narrower."""
_PILL: Final = 84
HEAD: Final = 46.0
LABEL: Final = 20.0
PAD: Final = 14.0
ASIDE: Final = 30.0
"""Room on the left for what leads back, or past several steps."""
BESIDE: Final = 22.0
"""Room on the right for failures that lead past other steps."""
LABELLED: Final = 40.0
"""Room for conditions beside the last column."""
_LONGEST: Final = 25
_NONE: Final[Mapping[str, Progress]] = {}


@dataclass(frozen=True, slots=True)
class Line:
    """What leads from one step to another."""

    start: str
    end: str
    label: str = ""
    failure: bool = False


def draw_graph(
    plan: Plan, progress: Mapping[str, Progress] = _NONE, *, label: str = "", anchor: str = "step-"
) -> Markup:
    """The picture. Each step is a link to `#step-ID`, where the page tells more of it."""
    drawing = _Drawing(plan, progress, anchor)
    (width, height), inside = drawing.flow(plan.root)
    edge = 2.0
    return tag(
        "svg",
        _ARROWS,
        tag("g", inside, transform=f"translate({edge} {edge})"),
        class_="graph",
        viewBox=f"0 0 {width + 2 * edge:.0f} {height + 2 * edge:.0f}",
        width=round(width + 2 * edge),
        style=f"min-width:{0.72 * width:.0f}px",
        role="group",
        aria_label=label or f"Graph of {plan.key} {plan.version}",
    )


_ARROWS: Final = (
    Markup("<defs>")
    + joined(
        tag(
            "marker",
            tag("path", d="M0 0L7 3.5L0 7z"),
            id=f"arrow-{kind}",
            class_=f"arrow {kind}",
            viewBox="0 0 7 7",
            refX=6,
            refY=3.5,
            markerWidth=8,
            markerHeight=8,
            markerUnits="userSpaceOnUse",
            orient="auto-start-reverse",
        )
        for kind in ("usual", "failure", "taken")
    )
    + Markup("</defs>")
)


@dataclass(frozen=True)
class _Drawing:
    plan: Plan
    progress: Mapping[str, Progress]
    anchor: str
    _inner: dict[str, tuple[Size, Markup]] = field(default_factory=dict)

    def flow(self, flow: Flow) -> tuple[Size, Markup]:
        """A flow's size and picture."""
        lines = self._lines(flow)
        ends = [end for end in (END, FAIL) if not flow.id and any(line.end == end for line in lines)]
        for step in flow.steps:
            self._inner[step] = self._box(self.plan.nodes[step])
        sizes = {step: self._inner[step][0] for step in flow.steps} | dict.fromkeys(ends, TERMINAL)
        trunk = () if flow.last else _trunk(self.plan, flow, ends)
        order = sorted(sizes, key=lambda one: trunk.index(one) if one in trunk else len(trunk))
        layout = layered({one: sizes[one] for one in order}, [(line.start, line.end) for line in lines], trunk)
        aside = ASIDE if any(_goes_aside(line, layout) for line in lines) else 0.0
        drawn = [self._line(line, layout, sizes) for line in lines if line.end in sizes]
        boxes = [
            tag("g", self._inner[one][1], transform=_moved(layout.places[one])) for one in sizes if one in self._inner
        ]
        reached = {line.end for line in lines if self._taken(line)}
        terminals = [self._terminal(one, layout, reached=not self.progress or one in reached) for one in ends]
        shift = f"translate({aside:.1f} 0)"
        beside = BESIDE if any(line.failure and line.end in sizes for line in lines) else 0.0
        beside += LABELLED if any(line.label and line.end in sizes for line in lines) else 0.0
        return (layout.width + aside + beside, layout.height), tag("g", *drawn, *boxes, *terminals, transform=shift)

    def _lines(self, flow: Flow) -> list[Line]:
        lines: list[Line] = []
        for step in flow.steps:
            node = self.plan.nodes[step]
            if node.needs is not None:
                lines += [Line(one, step) for one in node.needs.needs]
                continue
            lines += [Line(step, one.to, one.when.text if one.when else "") for one in node.routes]
            lines += [Line(step, one.to, ", ".join(sorted(one.codes or ())), failure=True) for one in node.failures]
        return lines

    def _box(self, node: Node) -> tuple[Size, Markup]:
        if node.container is None:
            return BOX, self._step(node, BOX)
        flows = [(name, self.flow(self.plan.flows[one])) for one, name in _flows_of(node)]
        top = HEAD + (LABEL if any(name for name, _ in flows) else 0.0)
        x, inside = PAD, list[Markup]()
        for name, ((width, _), picture) in flows:
            if name:
                inside.append(tag("text", _short(name), x=round(x), y=round(HEAD + 8), class_="branch"))
            inside.append(tag("g", picture, transform=_moved((x, top))))
            x += width + PAD * 1.5
        width = max(BOX[0] + 2 * PAD, x - PAD * 0.5)
        height = top + max(size[1] for _, (size, _) in flows) + PAD
        return (width, height), joined([self._step(node, (width, height)), *inside])

    def _step(self, node: Node, size: Size) -> Markup:
        found = self.progress.get(node.id)
        state = found.state if found else ("pending" if self.progress else "")
        words = (found.words if found else "") or _what(node)
        said = f"{node.id}: {state or _what(node)}" + (f", {found.words}" if found and found.words else "")
        undo = None
        if found and found.undo:
            place = _moved((size[0] - 24, 16))
            undo = tag(
                "g",
                sign_in("back", 16),
                transform=place,
                class_=f"undo {tone('undone' if found.undo == 'completed' else found.undo)}",
            )
            said += f", undo {found.undo}"
        elif node.can_be_undone and not self.progress:
            undo = tag("g", sign_in("back", 14), transform=_moved((size[0] - 23, 17)), class_="undo quiet")
        mark = tag("g", sign_in(state, 18), transform=_moved((11, 16)), class_="mark") if state else None
        left = 38 if state else 12
        return tag(
            "a",
            tag("title", said),
            tag("rect", width=round(size[0]), height=round(size[1]), rx=7),
            mark,
            tag("text", _short(node.id), x=left, y=21, class_="name"),
            tag("text", _short(words, _LONGEST + 6), x=left, y=37, class_="what"),
            undo,
            href=f"#{self.anchor}{node.id}",
            class_=f"step {tone(state) if state else ''} {state} {'box' if node.container else ''}".strip(),
        )

    def _terminal(self, name: str, layout: Layout, *, reached: bool) -> Markup:
        width, height = TERMINAL
        left = (width - _PILL) / 2
        word = "completes" if name == END else "fails"
        return tag(
            "g",
            tag("rect", x=left, width=_PILL, height=height, rx=12),
            tag("text", word, x=width / 2, y=16, text_anchor="middle"),
            class_=f"terminal {tone('completed' if name == END else 'failed') if reached else 'quiet'}",
            transform=_moved(layout.places[name]),
        )

    def _line(self, line: Line, layout: Layout, sizes: Mapping[str, Size]) -> Markup:
        taken = self._taken(line)
        kind = "taken" if taken else "failure" if line.failure else "usual"
        path, (x, y) = _path(line, layout, sizes)
        marker = f"url(#arrow-{kind})"
        shown = tag("path", d=path, class_=f"line {kind} {'on-failure' if line.failure else ''}", marker_end=marker)
        if not line.label:
            return shown
        text = tag("text", tag("title", line.label), _short(line.label, 22), x=round(x), y=round(y), class_="label")
        return joined([shown, text])

    def _taken(self, line: Line) -> bool:
        """Whether the run went there, as far as the states tell: this way out of the step, and on at its end."""
        start = self.progress.get(line.start)
        if start is None or not start.reached:
            return False
        over = start.counts.get("failed" if line.failure else "completed", 0) > 0
        over = over or (not line.failure and start.state == "skipped")
        if line.end in (END, FAIL):
            return over and not line.failure
        end = self.progress.get(line.end)
        return over and end is not None and end.reached


def _trunk(plan: Plan, flow: Flow, ends: Sequence[str]) -> tuple[str, ...]:
    path = plan.main_path(flow.entries[0]) if flow.entries else ()
    return (*path, *(one for one in ends if one == END))


def _flows_of(node: Node) -> list[tuple[str, str]]:
    if node.container is None:
        return []
    names = node.container.branches or ("",) * len(node.container.flows)
    return [*zip(node.container.flows, names, strict=True)]


def _goes_aside(line: Line, layout: Layout) -> bool:
    """Whether it leads back, or straight down past others."""
    if line.end not in layout.places or line.start not in layout.places:
        return False
    if (line.start, line.end) in layout.back:
        return True
    below = layout.layers[line.end] - layout.layers[line.start] > 1
    return below and abs(layout.places[line.start][0] - layout.places[line.end][0]) < BOX[0] / 2


def _path(line: Line, layout: Layout, sizes: Mapping[str, Size]) -> tuple[str, tuple[float, float]]:
    """A curve, and where its label stands."""
    edge: Edge = line.start, line.end
    (x1, y1), (x2, y2) = layout.places[line.start], layout.places[line.end]
    (w1, h1), (w2, h2) = sizes[line.start], sizes[line.end]
    x2, w2 = (x2 + (w2 - _PILL) / 2, float(_PILL)) if line.end in (END, FAIL) else (x2, w2)
    if _goes_aside(line, layout):
        out = min(x1, x2) - ASIDE + (4 if edge in layout.back else 10)
        start, end = y1 + h1 / 2, y2 + h2 / 2
        return f"M{x1:.1f} {start:.1f}C{out:.1f} {start:.1f} {out:.1f} {end:.1f} {x2 - 1:.1f} {end:.1f}", (
            out + 6,
            (start + end) / 2,
        )
    middle = x2 + w2 / 2
    if line.failure and middle > x1 + w1:
        return _by_corners(line, layout, sizes, (x1 + w1 - 26, y1 + h1), (middle, y2))
    from_x = x1 + w1 / 2
    below, bend = y1 + h1, (y2 - y1 - h1) / 2
    bent = f"C{from_x:.1f} {below + bend:.1f} {middle:.1f} {y2 - bend:.1f} {middle:.1f} {y2 - 1:.1f}"
    return f"M{from_x:.1f} {below:.1f}{bent}", (middle + 7, y2 - 9)


def _by_corners(
    line: Line, layout: Layout, sizes: Mapping[str, Size], start: tuple[float, float], end: tuple[float, float]
) -> tuple[str, tuple[float, float]]:
    """Down, across in the gap between two layers, and down again; past other boxes, in from the right."""
    (x1, y1), (x2, y2) = start, end
    first, last = layout.layers[line.start], layout.layers[line.end]
    between = [one for one, layer in layout.layers.items() if first < layer < last]
    in_the_way = [one for one in between if layout.places[one][0] < x2 < layout.places[one][0] + sizes[one][0]]
    level, bend = (y2 if last - first == 1 else y1 + GAP_Y) - GAP_Y / 2, 9.0
    down = f"M{x1:.1f} {y1:.1f}V{level - bend:.1f}Q{x1:.1f} {level:.1f} {x1 + bend:.1f} {level:.1f}"
    if not in_the_way:
        return f"{down}H{x2 - bend:.1f}Q{x2:.1f} {level:.1f} {x2:.1f} {level + bend:.1f}V{y2 - 1:.1f}", (x2 + 6, y2 - 6)
    out = max(layout.places[one][0] + sizes[one][0] for one in [*in_the_way, line.end]) + BESIDE - 6
    right, middle = layout.places[line.end][0] + sizes[line.end][0], y2 + sizes[line.end][1] / 2
    around = f"H{out - bend:.1f}Q{out:.1f} {level:.1f} {out:.1f} {level + bend:.1f}V{middle - bend:.1f}"
    back = f"Q{out:.1f} {middle:.1f} {out - bend:.1f} {middle:.1f}H{right + 1:.1f}"
    return down + around + back, (x1 + 12, level - 5)


def _what(node: Node) -> str:
    if node.work is not None:
        return node.work.operation
    if node.child is not None:
        return f"runs {node.child.key}"
    if node.container is not None and node.container.items is not None:
        return f"for each {node.container.item_name}"
    if node.awaited is not None:
        return f"waits for {node.awaited.type or ', '.join(node.awaited.signals)}"
    return node.kind.value


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _moved(place: tuple[float, float]) -> str:
    return f"translate({place[0]:.1f} {place[1]:.1f})"
