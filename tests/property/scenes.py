"""Steps for traces of flows within flows, and how a trace brings its workers into place."""

from __future__ import annotations

from typing import Any

from tests.property.behaviours import OK, Behaviour
from tests.property.world import World

Written = dict[str, Any]


def parallel(name: str, *branches: list[Written], more: Written | None = None, **terms: Any) -> Written:
    """A step with the branches `b0`, `b1` and so on."""
    named = {f"b{place}": steps for place, steps in enumerate(branches)}
    return {"id": name, "parallel": {"branches": named, **terms}, **(more or {})}


def mapped(name: str, items: str, *steps: Written, **terms: Any) -> Written:
    """A step that works off items."""
    return {"id": name, "map": {"items": items, "steps": list(steps), **terms}}


def handled(*main: Written) -> tuple[Written, ...]:
    """A sequence; the failure of its last step leads to the handler `h`, and the flow completes."""
    *others, last = main
    return (*others, {**last, "on_failure": "h"}, {"id": "h", "operation": "do.write", "on_success": "$end"})


def hold(world: World, seat: int, address: str, behaviour: Behaviour = OK) -> None:
    """A worker executes a step and has not told its outcome; another brings the run there, one step a message."""
    world.fuses = False
    while address not in world.messages:
        assert world.take(2), f"{address} is never reached"
        world.finish(2)
    world.take(seat, address)
    world.begin(seat, behaviour)


def tell(world: World, seat: int, *looks: str) -> None:
    """The worker tells its outcome; then somebody looks at these addresses."""
    world.finish(seat)
    for address in looks:
        world.messages.append(address)
        world.take(seat, address)
        world.finish(seat)


def order_of_settling(world: World, *addresses: str) -> list[str]:
    """These addresses, the one that was settled first first."""
    return sorted(addresses, key=lambda address: world.record.settled[address])
