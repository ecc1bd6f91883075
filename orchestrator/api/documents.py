"""The OpenAPI document, as far as it says more or less than the framework writes by itself."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi


def describe(app: FastAPI) -> None:
    """Let the application give its document, written once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _without_null(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as the framework wants it


def _without_null(document: dict[str, Any]) -> dict[str, Any]:
    """Parameters that may be left out; none of them can be null, for they are text."""
    for methods in document["paths"].values():
        for route in methods.values():
            for parameter in route.get("parameters", ()):
                schema = parameter["schema"]
                given = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
                if len(given) == 1:
                    del schema["anyOf"]
                    schema.update(given[0])
    return document
