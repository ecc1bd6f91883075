"""Workflows of flows within flows, drawn at random: small, at most three deep, of all that containers can say."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

from hypothesis import strategies as st

from tests.property.behaviours import BREAKS_OFF, DECLINES, OVERRUNS, REFUSES, RETURNS_RUBBISH, Behaviour
from tests.property.specs import reads

DEPTH = 3
STEPS = 12
"""So many a workflow has at most, give or take what a flow needs."""

_MAYBE = st.booleans()
_RARELY = st.sampled_from([False, False, False, True])
_RETRIES = st.sampled_from([None, None, None, {"max_attempts": 2, "delay": "1s"}, {"max_attempts": 2, "delay": "10s"}])
_LIMITS = st.sampled_from([{}, {}, {}, {"timeout": "20s"}, {"queue_timeout": "5s"}])
_UNDOS = st.sampled_from(["undo.write", "undo.write", "undo.once", None])
_RUN_IFS = st.sampled_from(["all_succeeded"] * 3 + ["all_done", "any_succeeded", "any_failed"])
_ITEMS = st.sampled_from(["[1, 2]", "[1, 2, 3]", "[1, 2, 3]", "[7]", "[]", "input.flag"])


class Author:
    """Writes one workflow; names its steps by single letters, so that no name ends as another does."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.names = iter(ascii_letters)
        self.left = STEPS

    def name(self) -> str:
        """A name that no step has yet."""
        self.left -= 1
        return next(self.names)

    def flow(self, depth: int, seen: list[str]) -> list[dict[str, Any]]:
        """The steps of a flow, which may read the outputs of `seen`."""
        styles = ["sequence", "sequence", "routes", "needs", "loop"] if self.left > 3 else ["sequence"]
        write = {"sequence": self.sequence, "routes": self.routes, "needs": self.needs, "loop": self.loop}
        return write[self.draw(st.sampled_from(styles))](depth, seen)

    def sequence(self, depth: int, seen: list[str]) -> list[dict[str, Any]]:
        """Steps in the order listed; failures may lead to a handler that stands outside."""
        steps: list[dict[str, Any]] = []
        for _ in range(self.draw(st.integers(1, 3 if self.left > 3 else 1))):
            steps.append(self.step(depth, [*seen, *(step["id"] for step in steps)]))
        return [*steps, *self.handlers(steps, seen, [])]

    def routes(self, depth: int, seen: list[str]) -> list[dict[str, Any]]:
        """Steps that say where they go, by a condition perhaps."""
        steps: list[dict[str, Any]] = []
        for _ in range(self.draw(st.integers(2, 3))):
            steps.append(self.step(depth, [*seen, *(step["id"] for step in steps)]))
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            step["on_success"] = following["id"] if following else "$end"
            if following and self.draw(_RARELY):
                to = self.draw(st.sampled_from(["$end", "$fail", steps[-1]["id"]]))
                step["transitions"] = [{"when": "input.flag", "to": to}]
        return [*steps, *self.handlers(steps, seen, ["$end", "$fail", steps[-1]["id"]])]

    def loop(self, depth: int, seen: list[str]) -> list[dict[str, Any]]:
        """Steps that come round again until the flag is set or the visits are used up."""
        names = [self.name()]
        head = self.step(depth, [*seen, names[0]]) | {"id": names[0], "max_visits": self.draw(st.integers(1, 3))}
        tail = self.step(depth, [*seen, names[0]])
        head["on_success"], tail["on_success"] = tail["id"], names[0]
        tail["transitions"] = [{"when": "input.flag", "to": "$end"}]
        if self.draw(_MAYBE):
            tail["on_failure"] = names[0]
        return [head, tail, *self.handlers([head], seen, ["$end", "$fail"])]

    def needs(self, depth: int, seen: list[str]) -> list[dict[str, Any]]:
        """A graph; each step reads what it needs, directly or not."""
        steps: list[dict[str, Any]] = []
        before: dict[str, set[str]] = {}
        for _ in range(self.draw(st.integers(2, 4))):
            needed = self.draw(st.lists(st.sampled_from(list(before)), unique=True, max_size=2)) if before else []
            known = set(needed).union(*(before[name] for name in needed))
            step = self.step(depth, [*seen, *sorted(known)])
            before[step["id"]] = known
            step |= {"needs": needed, "allow_failure": self.draw(_RARELY)}
            if needed:
                step["run_if"] = self.draw(_RUN_IFS)
            if self.draw(_RARELY):
                step["when"] = "input.flag"
            steps.append(step)
        if all(not step["needs"] for step in steps):
            steps[-1]["needs"] = [steps[0]["id"]]
        return steps

    def handlers(self, steps: list[dict[str, Any]], seen: list[str], targets: list[str]) -> list[dict[str, Any]]:
        """Let failures of these steps lead somewhere, perhaps; what they lead to, if that is a step of its own."""
        handler = {"id": self.name(), "operation": "do.write", "compensation": "undo.write", "inputs": reads(*seen)}
        handler["on_success"] = self.draw(st.sampled_from(["$end", "$end", "$fail"]))
        led = False
        for step in steps:
            to = self.draw(st.sampled_from([None, None, handler["id"], *targets]))
            if to is None or to == step["id"]:
                continue
            errors = self.draw(st.sampled_from([["*"], ["*"], ["declined", "join_failed"]]))
            condition = {"when": "input.flag"} if self.draw(_RARELY) else {}
            step["on_failure"] = [{"errors": errors, "to": to, **condition}]
            led = led or to == handler["id"]
        return [handler] if led else []

    def step(self, depth: int, seen: list[str]) -> dict[str, Any]:
        """One step: an operation, a wait, or a container."""
        kinds = ["operation"] * 4 + ["wait"]
        if depth < DEPTH and self.left > 2:
            kinds += ["parallel", "map"] * 2
        kind = self.draw(st.sampled_from(kinds))
        if kind == "operation":
            return self.operation(seen)
        name = self.name()
        if kind == "wait":
            return {"id": name, "wait": self.draw(st.sampled_from(["1s", "30s"]))}
        limit = {"timeout": "25s"} if self.draw(_RARELY) else {}
        return {"id": name, kind: self.parallel(depth, seen) if kind == "parallel" else self.map(depth, seen), **limit}

    def operation(self, seen: list[str]) -> dict[str, Any]:
        """An operation step that shows what it read."""
        operation = self.draw(st.sampled_from(["do.write", "do.write", "do.write", "do.once", "do.letter", "do.read"]))
        step: dict[str, Any] = {
            "id": self.name(),
            "operation": operation,
            "inputs": reads(*seen[-4:]),
            **self.draw(_LIMITS),
        }
        retry, undo = self.draw(_RETRIES), self.draw(_UNDOS)
        if retry is not None:
            step["retry"] = retry
        if undo is not None and operation in ("do.write", "do.once"):
            step["compensation"] = undo
        if self.draw(_RARELY) and self.draw(_RARELY):
            step["pivot"] = True
        return step

    def parallel(self, depth: int, seen: list[str]) -> dict[str, Any]:
        """Branches beside each other."""
        number = self.draw(st.integers(1, 3 if self.left > 4 else 2))
        branches = {}
        for place in range(number):
            steps = self.flow(depth + 1, seen)
            output = {"output": reads(steps[0]["id"])} if self.draw(_RARELY) else {}
            branches[f"b{place}"] = {"steps": steps, **output}
        return {"branches": branches, **self.terms(["all", "any", number])}

    def map(self, depth: int, seen: list[str]) -> dict[str, Any]:
        """A body for each item; often one that lanes work off."""
        if self.draw(_MAYBE):
            return self.reading(seen)
        return {
            "items": self.draw(_ITEMS),
            "max_concurrency": self.draw(st.sampled_from([1, 2, 10])),
            "tolerate": self.draw(st.sampled_from([0, 0, 1, "50%"])),
            "steps": self.flow(depth + 1, seen),
            **self.terms(["all", "all", "any", 2]),
        }

    def reading(self, seen: list[str]) -> dict[str, Any]:
        """A body of one operation without effect."""
        step = {"id": self.name(), "operation": "do.read", "inputs": reads(*seen[-4:])}
        retry = self.draw(_RETRIES)
        return {
            "items": self.draw(st.sampled_from(["[1, 2]", "[1, 2, 3, 4, 5, 6, 7]", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"])),
            "max_concurrency": self.draw(st.sampled_from([1, 2, 10])),
            "tolerate": self.draw(st.sampled_from([0, 0, 1, "50%"])),
            "steps": [step if retry is None else {**step, "retry": retry}],
            **self.terms(["all", "all", "any", 2]),
        }

    def terms(self, joins: list[str | int]) -> dict[str, Any]:
        """How a container is joined."""
        rest = st.sampled_from(["cancel", "cancel", "continue"])
        return {"join": self.draw(st.sampled_from(joins)), "rest": self.draw(rest)}


@st.composite
def nested_workflows(draw: st.DrawFn) -> dict[str, Any]:
    """What `plan_of` takes, of flows within flows."""
    steps = Author(draw).flow(0, [])
    workflow: dict[str, Any] = {"compensation": {"on_cancel": draw(st.sampled_from([True, True, False]))}}
    if draw(st.sampled_from([False, False, False, True])):
        workflow["timeout"] = "40s"
    return {"steps": steps, **workflow}


_PLACES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "", "[1]/", "[b0]/"]),
    st.sampled_from("abcdefgh"),
    st.sampled_from(["", "", "", "#2", "~"]),
)


_BAD = [DECLINES, DECLINES, REFUSES, BREAKS_OFF, RETURNS_RUBBISH, OVERRUNS]


def habits() -> st.SearchStrategy[dict[str, Behaviour]]:
    """Ends of addresses -> how operations always behave there, so that failures are part of most stories."""
    return st.dictionaries(_PLACES, st.sampled_from(_BAD), max_size=3)
