"""The OpenAPI document: the routes of FastAPI, and the FHIR API that is mounted beside them.

https://spec.openapis.org/oas/v3.0.3
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi

from fhir_server.http import parts
from fhir_server.http.parts import body, operation, path, query
from fhir_server.interactions.patch import FHIR, JSON_PATCH, MERGE_PATCH

if TYPE_CHECKING:
    from fastapi import FastAPI

_SEARCH: Final = query(
    "_count", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude"
)
_HISTORY: Final = query(
    "_count", "_since", "_before", "_at", "_sort", "_total", "_summary", "_elements"
)
_PART: Final = query("_summary", "_elements")
_FORM: Final = body("application/x-www-form-urlencoded", required=False)
_JSON: Final = body(FHIR)
_PATCH: Final = body(JSON_PATCH, FHIR, MERGE_PATCH)
_WRITTEN: Final = ("201", "200")
_LATER: Final = ("200", "202")
"""Statuses of what `Prefer: respond-async` may put off."""
_GONE: Final = ("204", "200")
_KNOWN: Final = ("200", "304")
NULL: Final = {"type": "null"}


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
            schema = _of_3_0(schema)
            schema["paths"] = _paths() | schema.get("paths", {})
            components = schema.setdefault("components", {})
            for kind, made in parts.components().items():
                components.setdefault(kind, {}).update(made)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _of_3_0(value: Any) -> Any:
    """Return FastAPI's schemas as OpenAPI 3.0 writes them: there is no type `null` before 3.1."""
    if isinstance(value, list):
        return [_of_3_0(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: _of_3_0(item) for name, item in value.items()}
    choices = [one for one in made.get("anyOf", ()) if one != NULL]
    if len(choices) == len(made.get("anyOf", ())):
        return made
    del made["anyOf"]
    # Beside a `$ref` nothing counts in 3.0, so one stays within a list.
    alone = len(choices) == 1 and "$ref" not in choices[0]
    return (choices[0] if alone else {"anyOf": choices}) | made | {"nullable": True}


def _paths() -> dict[str, Any]:
    return _system() | _types() | _instances() | _compartments()


def _system() -> dict[str, Any]:
    described: dict[str, Any] = {
        "/fhir": {
            "get": operation("search-system", *query("_type"), *_SEARCH, ok=_LATER),
            "post": operation("batch or transaction", content=_JSON, ok=_LATER),
        },
        "/fhir/_search": {"post": operation("search-system, by form", content=_FORM, ok=_LATER)},
        "/fhir/_history": {"get": operation("history-system", *_HISTORY, ok=_LATER)},
        "/fhir/_async/{job}": {
            "parameters": path("job"),
            "get": operation("the answer to a request that is answered later", ok=_LATER),
            "delete": operation("cancel it, or remove its answer", ok=("202",)),
        },
    }
    open_to_all = {
        "/fhir/metadata": {"get": operation("capabilities", *query("mode"), *_PART, ok=_KNOWN)},
        "/fhir/.well-known/smart-configuration": {
            "get": operation("how to get a token", ok=_KNOWN)
        },
    }
    smart = open_to_all["/fhir/.well-known/smart-configuration"]["get"]
    smart["responses"]["200"] = parts.refer("Document")
    for place in open_to_all.values():
        place["get"]["security"] = []
    for at in ("", "/{type}", "/{type}/{id}"):
        described[f"/fhir{at}/${{operation}}"] = {
            "parameters": path(*parts.names(f"{at}/{{operation}}")),
            "get": operation("operation that changes nothing", ok=_LATER),
            "post": operation("operation", content=body(FHIR, required=False), ok=_LATER),
        }
    return described | open_to_all


def _types() -> dict[str, Any]:
    return {
        "/fhir/{type}": {
            "parameters": path("type"),
            "get": operation("search-type", *_SEARCH, ok=_LATER),
            "post": operation(
                "create", *parts.headers("If-None-Exist"), content=_JSON, ok=_WRITTEN
            ),
            "put": operation(
                "conditional update", *parts.headers("If-Match"), content=_JSON, ok=_WRITTEN
            ),
            "patch": operation("conditional patch", *parts.headers("If-Match"), content=_PATCH),
            "delete": operation("conditional delete", ok=_GONE),
        },
        "/fhir/{type}/_search": {
            "parameters": path("type"),
            "post": operation("search-type, by form", content=_FORM, ok=_LATER),
        },
        "/fhir/{type}/_history": {
            "parameters": path("type"),
            "get": operation("history-type", *_HISTORY, ok=_LATER),
        },
    }


def _instances() -> dict[str, Any]:
    unless = parts.headers("If-None-Match", "If-Modified-Since")
    return {
        "/fhir/{type}/{id}": {
            "parameters": path("type", "id"),
            "get": operation("read", *_PART, *unless, ok=_KNOWN),
            "put": operation(
                "update",
                *parts.headers("If-Match", "If-None-Match"),
                content=_JSON,
                ok=_WRITTEN,
            ),
            "patch": operation("patch", *parts.headers("If-Match"), content=_PATCH),
            "delete": operation("delete", *parts.headers("If-Match"), ok=_GONE),
        },
        "/fhir/{type}/{id}/_history": {
            "parameters": path("type", "id"),
            "get": operation("history-instance", *_HISTORY, ok=_LATER),
            "delete": operation("delete-history, for administrators", ok=_GONE),
        },
        "/fhir/{type}/{id}/_history/{version}": {
            "parameters": path("type", "id", "version"),
            "get": operation("vread", *_PART, *unless, ok=_KNOWN),
        },
    }


def _compartments() -> dict[str, Any]:
    return {
        "/fhir/{compartment}/{id}/{type}": {
            "parameters": path("compartment", "id", "type"),
            "get": operation("search in a compartment", *_SEARCH, ok=_LATER),
        },
        "/fhir/{compartment}/{id}/{type}/_search": {
            "parameters": path("compartment", "id", "type"),
            "post": operation("search in a compartment, by form", content=_FORM, ok=_LATER),
        },
    }
