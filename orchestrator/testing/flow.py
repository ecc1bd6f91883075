"""A workflow under test: what its operations do, and runs of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.client.sync import RedisOrchestrator
from orchestrator.spec.operations import Operation, OperationRegistry
from orchestrator.spec.workflow import WorkflowSpec
from orchestrator.testing.run import Run
from orchestrator.testing.script_book import ScriptBook
from orchestrator.testing.scripts import Action
from orchestrator.testing.world import World


class Flow:
    """A spec, the scripts of its operations, and the runs that were started."""

    def __init__(
        self,
        spec: WorkflowSpec,
        book: ScriptBook,
        operations: OperationRegistry,
        client: RedisOrchestrator,
        world: World,
        runs: list[Run],
    ) -> None:
        self.spec = spec
        self.book = book
        self.operations = operations
        self._client = client
        self._world = world
        self._runs = runs

    def script(self, target: str | Operation, *actions: Action) -> Flow:
        """What calls do, one action a call, in this order.

        The target is a step's id, its address (`ship[3]/pack`, `charge~` for an undo), or an operation or its key. If
        several fit a call, the nearest one that has an action left is played.
        """
        __tracebackhide__ = True
        self.book.add(_name(target), actions)
        return self

    def real(self, *targets: str | Operation) -> Flow:
        """Call the own code of these when no script is left; without targets, of all operations."""
        self.book.run_for_real(_name(target) for target in targets)
        return self

    def start(self, input: Any = None, *, ctx: Mapping[str, Any] | None = None, **options: Any) -> Run:  # noqa: A002
        """Start a run, and let nothing of it happen yet. The options are those of the client's `start`."""
        __tracebackhide__ = True
        meta = self.spec.meta
        options.setdefault("version", meta.version)
        if not {"run_id", "idempotency_key"} & options.keys():
            options["run_id"] = f"run-{len(self._runs) + 1}"
        run = Run(self._client.start(meta.key, input, ctx=ctx, **options), self._world)
        self._runs.append(run)
        return run

    def run(self, input: Any = None, *, ctx: Mapping[str, Any] | None = None, **options: Any) -> Run:  # noqa: A002
        """Start a run, and let everything happen until it is over."""
        __tracebackhide__ = True
        run = self.start(input, ctx=ctx, **options)
        run.finish()
        return run

    def unused_scripts(self) -> Iterable[str]:
        """What no call has played."""
        return (f"{self.spec.meta.key} {line}" for line in self.book.unused())


def _name(target: str | Operation) -> str:
    return target if isinstance(target, str) else target.key
