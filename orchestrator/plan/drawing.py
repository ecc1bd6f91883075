"""The canvas of a plan drawn as a tree of text: chains, chords, groups and gates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from orchestrator.plan import words
from orchestrator.plan.canvas import DRAIN_ADDRESS, STEP_TASK, Signature
from orchestrator.plan.tree import FlowCanvas, Fork, Segment
from orchestrator.spec.durations import format_duration

_WIDTH: Final = 72


@dataclass(frozen=True, slots=True)
class _Twig:
    """A line, the facts about it, and what grows out of it."""

    label: str
    facts: tuple[str, ...] = ()
    twigs: tuple[_Twig, ...] = ()


def canvas_lines(canvas: FlowCanvas, *, lanes: int) -> Iterator[str]:
    """The tree. `lanes`: messages that steps beside each other are dealt out to, for each queue."""
    yield f"  each message is the task {STEP_TASK}(run, address); a chain's errback looks at {DRAIN_ADDRESS},"
    yield "  the undo of the run"
    drawing = _Drawing(lanes)
    for twig in drawing.flow(canvas):
        yield f"  {twig.label}"
        yield from _grown(twig, "  ")


class _Drawing:
    def __init__(self, lanes: int) -> None:
        self.lanes = lanes

    def flow(self, canvas: FlowCanvas) -> Iterator[_Twig]:
        """What the flow begins with, then what is compiled when it is reached."""
        for number, segment in enumerate(canvas.begins):
            yield self.segment(segment, "beside it, a " if number else "")
        for segment in canvas.others:
            yield self.segment(segment, _reached(segment))

    def segment(self, segment: Segment, reached: str) -> _Twig:
        forks = {fork.container: fork for fork in segment.forks}
        twigs = [
            _Twig(
                signature.shadow,
                tuple(_options(signature)),
                (self.fork(forks[signature.address]),) if signature.address in forks else (),
            )
            for signature in segment.chain.signatures
        ]
        if segment.chain.cut:
            twigs.append(_Twig("… the tail is compiled when it is reached: a message stays under its limit"))
        signatures = words.counted(len(segment.chain.signatures), "signature", "signatures")
        return _Twig(f"{reached}chain of {signatures}", (), tuple(twigs))

    def fork(self, fork: Fork) -> _Twig:
        inner = [self.inner(flow) for flow in fork.flows]
        return _Twig(self.beginning(fork), tuple(self.dealing(fork)), (*inner, _joining(fork)))

    def beginning(self, fork: Fork) -> str:
        """What is begun."""
        if any(flow.name for flow in fork.flows):
            flows = words.counted(len(fork.flows), "branch", "branches")
        elif fork.beside:
            lanes = words.counted(min(self.lanes, fork.beside), "lane", "lanes")
            flows = f"up to {lanes} of item chains"
        else:
            flows = "one item after the other"
        return f"{fork.kind}: {flows}"

    def dealing(self, fork: Fork) -> Iterator[str]:
        """By which messages."""
        if not fork.beside:
            yield "in this message"
        elif fork.beside <= self.lanes:
            yield "this message goes on with the first; each of the others is a message"
        else:
            yield f"this message goes on with the first; up to {fork.beside} others are dealt out to"
            yield f"{words.counted(self.lanes, 'lane', 'lanes')} a queue (setting `lanes`), one of which it keeps"

    def inner(self, flow: FlowCanvas) -> _Twig:
        """A branch, or what each item goes through."""
        segments = tuple(self.flow(flow))
        name = f"branch {flow.name}" if flow.name else "each item"
        if len(segments) == 1:
            (only,) = segments
            return _Twig(f"{name}: {only.label}", only.facts, only.twigs)
        return _Twig(name, (), segments)


def _joining(fork: Fork) -> _Twig:
    if fork.body is None:
        return _Twig(f"gate: the arrival that decides the join goes on at {_name(fork.container)}")
    names = ", then ".join(_name(signature.address) for signature in fork.body.signatures)
    label = f"body: chain at {names}{', then the rest' if fork.body.cut else ''}"
    facts = ["sent by Celery when the header is over; the state decides whether the join is reached"]
    if fork.loops:
        facts.append("at a later visit: a group, and a gate")
    return _Twig(label, tuple(facts))


def _reached(segment: Segment) -> str:
    """When a segment that a flow does not begin with is sent."""
    if segment.needs is not None and segment.needs.needs:
        return f"gate: by the last to arrive of {', '.join(segment.needs.needs)}, a "
    return f"when {_name(segment.chain.signatures[0].address)} is reached, a "


def _name(address: str) -> str:
    return address.rpartition("/")[2]


def _options(signature: Signature) -> Iterator[str]:
    facts = [f"queue {signature.queue}", f"priority {signature.priority}"]
    if signature.time_limit is not None:
        facts.append(f"hard limit {format_duration(signature.time_limit * 1000)}")
    yield ", ".join(facts)
    retry = signature.headers.get("retry")
    if retry and retry["max_retries"]:
        header = "retry header: " + ", ".join(f"{name}={value}" for name, value in retry.items())
        yield from wrap(header, _WIDTH, subsequent_indent="  ")


def _grown(twig: _Twig, lead: str) -> Iterator[str]:
    for fact in twig.facts:
        yield f"{lead}{'│' if twig.twigs else ' '}  {fact}"
    yield from _grown_beside(twig.twigs, lead)


def _grown_beside(twigs: Sequence[_Twig], lead: str) -> Iterator[str]:
    for number, twig in enumerate(twigs, start=1):
        fork, rail = ("└─", "   ") if number == len(twigs) else ("├─", "│  ")
        yield f"{lead}{fork} {twig.label}"
        yield from _grown(twig, f"{lead}{rail}")
