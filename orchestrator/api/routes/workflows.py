"""Workflows, their versions, and how new runs are shared out among them."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Request, status
from starlette.concurrency import run_in_threadpool

from orchestrator.api.access import Admin, Viewer
from orchestrator.api.answers import (
    Graph,
    PublishedMany,
    PublishedOne,
    TrafficShown,
    VersionShown,
    WorkflowList,
)
from orchestrator.api.models import SetTraffic, VersionName, Wanted, WhyQuery, WorkflowKey
from orchestrator.api.problems import documented
from orchestrator.client.access import may_see
from orchestrator.client.publishing import examine
from orchestrator.client.shown import VersionStatus
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import Malformed, UnsupportedMediaType
from orchestrator.plan.mermaid import to_mermaid
from orchestrator.plan.record import to_json
from orchestrator.plan.tree import canvas_of
from orchestrator.spec.loader import LoadedSpec, load_text
from orchestrator.spec.operations import OPERATIONS, load_operations
from orchestrator.spec.traffic import Traffic

router = APIRouter(prefix="/workflows", tags=["workflows"], responses=documented())

_FORMATS: Final = {
    "application/json": ".json",
    "application/yaml": ".yaml",
    "application/x-yaml": ".yaml",
    "text/yaml": ".yaml",
}
_SPEC: Final = {
    "requestBody": {
        "required": True,
        "description": "One workflow as JSON, or one or several as YAML, as `docs/specs.md` has them.",
        "content": {
            "application/yaml": {
                "schema": {"type": "string"},
                "example": "meta: {key: order.pack, version: 1.0.0}\nsteps: [{id: pause, wait: 1s}]\n",
            },
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "meta": {"key": "order.pack", "version": "1.0.0"},
                    "steps": [{"id": "pause", "wait": "1s"}],
                },
            },
        },
    }
}


@router.get("", summary="List workflows")
def list_workflows(caller: Viewer) -> WorkflowList:
    """The keys of all that are published, sorted."""
    keys = caller.client.registry.workflows()
    return WorkflowList(workflows=[key for key in keys if may_see(caller.workflows, key)])


@router.post(
    "",
    summary="Publish versions",
    status_code=status.HTTP_201_CREATED,
    responses=documented(409, 415, 422),
    openapi_extra=_SPEC,
)
async def publish(caller: Admin, request: Request) -> PublishedMany:
    """A published version never changes; the very same again is no error. None is stored if one has errors."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMATS:
        raise UnsupportedMediaType(f"a spec is sent as {', '.join(_FORMATS)}, not as {kind!r}")
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"a spec is written in UTF-8: {error}") from error

    def store() -> PublishedMany:
        load_operations(caller.client.settings.operations)
        loaded = load_text(text, f"body{_FORMATS[kind]}", OPERATIONS)
        for one in loaded:
            caller.check_workflow(one.spec.meta.key)
            examine(one.spec, OPERATIONS, caller.client.registry)
        return PublishedMany(published=[_published(caller.client, one) for one in loaded])

    return await run_in_threadpool(store)


@router.get("/{key}", summary="A workflow's versions", responses=documented(404))
def list_versions(caller: Viewer, key: WorkflowKey) -> list[VersionStatus]:
    """The highest first: what each takes of new runs, and how many runs live on it."""
    caller.check_workflow(key)
    return caller.client.versions(key)


@router.get("/{key}/traffic", summary="How new runs are shared out", responses=documented(404))
def show_traffic(caller: Viewer, key: WorkflowKey) -> TrafficShown:
    """Those that name no version."""
    caller.check_workflow(key)
    return _split(key, caller.client.traffic(key))


@router.put("/{key}/traffic", summary="Share new runs out", responses=documented(404, 422))
def set_traffic(caller: Admin, key: WorkflowKey, body: SetTraffic) -> TrafficShown:
    """By weight among versions; sticky by the value of `by`, if it is given."""
    caller.check_workflow(key)
    return _split(key, caller.client.traffic(key, body.weights, by=body.by, reason=body.reason))


@router.delete("/{key}/traffic", summary="Back to the highest stable version", responses=documented(404))
def clear_traffic(caller: Admin, key: WorkflowKey, reason: WhyQuery = "") -> TrafficShown:
    """It takes all new runs again that name no version."""
    caller.check_workflow(key)
    caller.client.clear_traffic(key, reason=reason)
    return _split(key, None)


@router.get("/{key}/versions/{version}", summary="A version", responses=documented(404, 422))
def show_version(caller: Viewer, key: WorkflowKey, version: VersionName) -> VersionShown:
    """Its definition, and what was declared of its operations when it was published."""
    caller.check_workflow(key)
    definition, _ = caller.client.catalogue.resolve(key, version)
    marked = caller.client.registry.marks(key).deprecated.get(definition.version)
    return VersionShown(
        key=key,
        version=definition.version,
        digest=definition.digest,
        published_at=rfc3339(definition.published_at_ms),
        deprecated_at=None if marked is None else rfc3339(marked),
        definition=json.loads(definition.canonical),
        operations={name: dict(info) for name, info in definition.operations.items()},
    )


@router.get("/{key}/versions/{version}/graph", summary="A version's graph", responses=documented(404, 422))
def show_graph(caller: Viewer, key: WorkflowKey, version: VersionName) -> Graph:
    """As `orchestrator plan` prints it."""
    caller.check_workflow(key)
    _, plan = caller.client.catalogue.resolve(key, version)
    settings = caller.client.settings
    found = to_json(plan, canvas_of(plan, message_bytes=settings.message_bytes), lanes=settings.lanes)
    return Graph(plan=found["plan"], canvas=found["canvas"], mermaid=to_mermaid(plan))


@router.get(
    "/{key}/versions/{version}/input-schema", summary="The JSON Schema of inputs", responses=documented(404, 422)
)
def show_input_schema(caller: Viewer, key: WorkflowKey, version: VersionName) -> dict[str, Any]:
    """JSON Schema 2020-12; any object, if the workflow asks for nothing."""
    caller.check_workflow(key)
    definition, _ = caller.client.catalogue.resolve(key, version)
    return dict(definition.input_schema or {"type": "object"})


@router.put("/{key}/versions/{version}/deprecation", summary="Deprecate a version", responses=documented(404))
def deprecate(caller: Admin, key: WorkflowKey, version: VersionName, body: Wanted | None = None) -> VersionStatus:
    """New runs no longer take it by themselves; its runs go on."""
    return _marked(caller, key, version, body.reason if body else "", undo=False)


@router.delete("/{key}/versions/{version}/deprecation", summary="Take the mark off", responses=documented(404))
def undeprecate(caller: Admin, key: WorkflowKey, version: VersionName, reason: WhyQuery = "") -> VersionStatus:
    """New runs may take it again."""
    return _marked(caller, key, version, reason, undo=True)


def _marked(caller: Admin, key: str, version: str, reason: str, *, undo: bool) -> VersionStatus:
    caller.check_workflow(key)
    caller.client.deprecate(key, version, undo=undo, reason=reason)
    return next(one for one in caller.client.versions(key) if one.version == version)


def _published(client: RedisOrchestrator, loaded: LoadedSpec) -> PublishedOne:
    found = client.publish(loaded.spec)
    warnings = [*loaded.problems, *found.warnings]
    return PublishedOne(
        key=found.key, version=found.version, digest=found.digest, created=found.created, warnings=warnings
    )


def _split(key: str, split: Traffic | None) -> TrafficShown:
    return TrafficShown(workflow=key, weights=dict(split.weights) if split else None, by=split.by if split else None)
