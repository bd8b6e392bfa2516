"""The OpenAPI document: the routes of FastAPI, and the FHIR API that is mounted beside them.

https://spec.openapis.org/oas/v3.0.3
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi

if TYPE_CHECKING:
    from fastapi import FastAPI

FHIR: Final = "application/fhir+json"
_BODY: Final = {"required": True, "content": {FHIR: {"schema": {"type": "object"}}}}


def describe(app: FastAPI) -> None:
    """Make `/openapi.json` describe both."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                openapi_version=app.openapi_version,
                description=app.description,
                routes=app.routes,
            )
            schema["paths"] = _paths() | schema.get("paths", {})
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _paths() -> dict[str, Any]:
    return {
        "/fhir": {"post": _operation("batch or transaction", body=True)},
        "/fhir/metadata": {"get": _operation("capabilities")},
        "/fhir/.well-known/smart-configuration": {"get": _operation("how to get a token")},
        "/fhir/${operation}": {
            "parameters": _path("operation"),
            "get": _operation("operation on the whole system"),
            "post": _operation("operation on the whole system", body=True),
        },
        "/fhir/{type}": {
            "parameters": _path("type"),
            "get": _operation("search-type"),
            "post": _operation("create", body=True, status="201"),
            "put": _operation("conditional update", body=True),
        },
        "/fhir/{type}/_search": {
            "parameters": _path("type"),
            "post": _operation("search-type, by form"),
        },
        "/fhir/{type}/{id}": {
            "parameters": _path("type", "id"),
            "get": _operation("read"),
            "put": _operation("update", body=True),
            "delete": _operation("delete", status="204"),
        },
        "/fhir/{type}/{id}/_history": {
            "parameters": _path("type", "id"),
            "get": _operation("history-instance"),
        },
        "/fhir/{type}/{id}/_history/{version}": {
            "parameters": _path("type", "id", "version"),
            "get": _operation("vread"),
        },
    }


def _path(*names: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _operation(summary: str, *, body: bool = False, status: str = "200") -> dict[str, Any]:
    content = {FHIR: {"schema": {"type": "object"}}}
    operation: dict[str, Any] = {
        "tags": ["FHIR R4"],
        "summary": summary,
        "responses": {
            status: {"description": "Done"} | ({} if status == "204" else {"content": content}),
            "default": {"description": "OperationOutcome", "content": content},
        },
    }
    return operation | ({"requestBody": _BODY} if body else {})
