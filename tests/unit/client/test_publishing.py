"""What may be published, and what publishing comes to."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.client.publishing import examine, publish
from orchestrator.client.shown import Published
from orchestrator.errors import SpecInvalid, VersionConflict
from orchestrator.spec.operations import OperationRegistry
from orchestrator.spec.workflow import WorkflowSpec, define_workflow
from orchestrator.store.registry import WorkerRecord
from orchestrator.store.registry_memory import MemoryRegistry
from tests.unit.surroundings import HandClock, echo, made

STEP = {"id": "a", "operation": "do.write"}


@pytest.fixture
def registry() -> MemoryRegistry:
    """Nothing published, nobody at work."""
    return MemoryRegistry(HandClock())


def operations(*keys: str) -> OperationRegistry:
    """The operations of loaded modules."""
    loaded = OperationRegistry()
    for key in keys:
        loaded.register(made(key, echo))
    return loaded


def spec(*steps: Any, **more: Any) -> WorkflowSpec:
    """A workflow of these steps."""
    return define_workflow(meta={"key": "test.flow", "version": "1.0.0"}, steps=steps or [STEP], **more)


def announce(registry: MemoryRegistry, *keys: str, version: str = "1.0.0", name: str = "worker") -> None:
    """A live worker that has these operations."""
    infos = tuple({"key": key, "version": version, "effect": "write", "idempotent": True} for key in keys)
    registry.announce(WorkerRecord(name, ("default",), infos, pid=1, host="here", seen_at=0))


def published(registry: MemoryRegistry, **more: Any) -> Published:
    """The workflow of one step, published."""
    return publish(registry, spec(**more), operations=operations("do.write"))


def test_lint_errors_are_refused_all_at_once(registry: MemoryRegistry) -> None:
    """With the operations that nobody has; nothing is stored."""
    wrong = spec(
        {"id": "a", "operation": "do.write", "on_success": "nowhere"},
        {"id": "b", "operation": "no.such", "inputs": {"x": "${1 +}"}, "on_success": "$end"},
    )

    with pytest.raises(SpecInvalid) as raised:
        publish(registry, wrong, operations=operations("do.write"))

    rules = {problem.rule for problem in raised.value.problems}
    assert "unknown_operation" in rules
    assert len(rules) >= 3
    assert registry.workflows() == []


def test_an_unknown_operation_is_told_with_its_step(registry: MemoryRegistry) -> None:
    """Neither a loaded module nor a live worker has it."""
    with pytest.raises(SpecInvalid) as raised:
        publish(registry, spec(), operations=operations())

    (problem,) = raised.value.problems
    assert (problem.rule, problem.step) == ("unknown_operation", "a")
    assert "do.write" in problem.message


def test_an_unknown_operation_within_a_branch_is_told_as_well(registry: MemoryRegistry) -> None:
    """`validate` only warns, as it may not know the workers; to publish it is an error."""
    inner = [{"id": "b", "operation": "no.such"}]

    with pytest.raises(SpecInvalid) as raised:
        publish(
            registry, spec(STEP, {"id": "p", "parallel": {"branches": {"x": inner}}}), operations=operations("do.write")
        )

    (problem,) = raised.value.problems
    assert (problem.rule, problem.step, problem.severity) == ("unknown_operation", "b", "error")


def test_what_the_workers_declare_is_held_against_the_spec(registry: MemoryRegistry) -> None:
    """A retry that they do not allow is refused, whoever publishes."""
    infos = ({"key": "do.write", "version": "1.0.0", "effect": "write", "idempotent": False},)
    registry.announce(WorkerRecord("worker", ("default",), infos, pid=1, host="here", seen_at=0))

    with pytest.raises(SpecInvalid) as raised:
        publish(registry, spec({**STEP, "retry": {"max_attempts": 2}}), operations=operations())

    assert [problem.rule for problem in raised.value.problems] == ["retry_not_idempotent"]
    assert registry.workflows() == []


def test_a_producer_needs_no_code_of_operations(registry: MemoryRegistry) -> None:
    """What live workers say of theirs is enough, and is frozen in the version."""
    announce(registry, "do.write", version="1.4.0")

    done = publish(registry, spec(), operations=operations())

    assert (done.created, done.warnings) == (True, ())
    assert registry.get("test.flow", "1.0.0").operations["do.write"]["version"] == "1.4.0"


def test_without_a_major_the_highest_that_workers_have_is_frozen(registry: MemoryRegistry) -> None:
    """As with loaded modules."""
    announce(registry, "do.write", version="2.0.0", name="new")
    announce(registry, "do.write", version="1.0.0", name="old")

    found, _ = examine(spec(), operations(), registry)
    named, _ = examine(spec({**STEP, "operation": "do.write@1"}), operations(), registry)

    assert found["do.write"].major == 2
    assert named["do.write@1"].major == 1


def test_the_same_content_again_is_not_new(registry: MemoryRegistry) -> None:
    """Publishing may be repeated, as in every deployment."""
    first, second = published(registry), published(registry)

    assert (first.created, second.created) == (True, False)
    assert first.digest == second.digest


def test_other_content_under_a_published_number_changes_nothing(registry: MemoryRegistry) -> None:
    """Running runs are pinned to it."""
    first = published(registry)

    with pytest.raises(VersionConflict) as raised:
        published(registry, timeout="1m")

    assert raised.value.details["published"] == first.digest
    assert registry.get("test.flow", "1.0.0").digest == first.digest


def test_an_operation_that_no_live_worker_has_is_a_warning(registry: MemoryRegistry) -> None:
    """Its steps would wait; without any worker there is nothing to compare with."""
    before = published(registry)
    announce(registry, "do.other")

    (warning,) = published(registry).warnings

    assert before.warnings == ()
    assert (warning.rule, warning.severity) == ("operation_not_served", "warning")
    assert "do.write@1" in warning.message


def test_an_escalation_to_a_channel_that_nobody_has_is_warned_about() -> None:
    """At its place, of the run and of each step; not where nobody knows the channels."""
    slas = [{"max_duration": "1h", "escalate": [{"after": "1h", "to": to}]} for to in ("nobody", "ops")]
    steps = [{"id": f"s{number}", "wait": "1s", "sla": sla} for number, sla in enumerate(slas)]
    spec = define_workflow(meta={"key": "a.b", "version": "1.0.0"}, steps=steps, sla=slas[0])

    found = publish(MemoryRegistry(HandClock()), spec, channels={"ops"}).warnings

    assert [(one.rule, one.path) for one in found if one.rule != "sla_sum"] == [
        ("unknown_channel", "sla.escalate[0].to"),
        ("unknown_channel", "steps[0].sla.escalate[0].to"),
    ]
    assert not [one for one in publish(MemoryRegistry(HandClock()), spec).warnings if one.rule == "unknown_channel"]
