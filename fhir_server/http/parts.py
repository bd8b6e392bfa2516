"""What the operations of the OpenAPI document are made of: parameters, bodies, answers.

https://spec.openapis.org/oas/v3.0.3#parameter-object
"""

from __future__ import annotations

import re
from typing import Any, Final

from fhir_server.operations.operation import operations
from fhir_server.tables import RESOURCE_TYPES

FHIR: Final = "application/fhir+json"
ID: Final = "^[A-Za-z0-9.-]{1,64}$"
_TEXT: Final = {"type": "string"}
_INSTANT: Final = {"type": "string", "description": "A date or an instant."}
_PATHS: Final[dict[str, dict[str, Any]]] = {
    "type": {"type": "string", "enum": sorted(RESOURCE_TYPES)},
    "compartment": {
        "type": "string",
        "enum": ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"],
    },
    "id": {"type": "string", "pattern": ID},
    "job": {"type": "string", "format": "uuid"},
    "version": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}
_QUERIES: Final[dict[str, dict[str, Any]]] = {
    "_count": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
    "_sort": {**_TEXT, "example": "-_lastUpdated"},
    "_total": {"type": "string", "enum": ["none", "estimate", "accurate"]},
    "_summary": {"type": "string", "enum": ["true", "text", "data", "count", "false"]},
    "_elements": _TEXT,
    "_include": _TEXT,
    "_revinclude": _TEXT,
    "_type": _TEXT,
    "_since": _INSTANT,
    "_before": _INSTANT,
    "_at": _INSTANT,
    "mode": {"type": "string", "enum": ["full", "normative", "terminology"]},
}
_HEADERS: Final = {
    "If-Match": 'Entity tags, `W/"3"`, of which one must be current; `*` for any.',
    "If-None-Match": "Answer only if the current version has none of these tags.",
    "If-Modified-Since": "Answer only if it changed since.",
    "If-None-Exist": "Create only if nothing matches these criteria.",
}
COMMON: Final = ("Prefer", "Format", "Pretty")
REFUSALS: Final = {
    "400": "What was asked for is not right.",
    "401": "No token, or one that is not valid.",
    "403": "The token does not allow this.",
    "404": "There is no such thing.",
    "405": "This method is not possible here, or not without criteria.",
    "406": "Only JSON is spoken here.",
    "409": "It contradicts what is there.",
    "410": "It was deleted.",
    "412": "Another version is current, or several match.",
    "413": "The body is too long.",
    "415": "The body is in a format that is not read.",
    "422": "It cannot be done.",
    "429": "Too much at once; try again later.",
    "503": "The database does not answer; try again.",
}


def path(*names: str) -> list[dict[str, Any]]:
    """Return the parameters of a path."""
    known = _PATHS | {"operation": {"type": "string", "enum": sorted(operations())}}
    return [{"name": n, "in": "path", "required": True, "schema": known[n]} for n in names]


def names(template: str) -> list[str]:
    """Return the names in the braces of a path."""
    return re.findall(r"\{(\w+)\}", template)


def query(*names: str) -> list[dict[str, Any]]:
    """Return parameters of a URL's query."""
    return [{"name": name, "in": "query", "schema": _QUERIES[name]} for name in names]


def headers(*names: str) -> list[dict[str, Any]]:
    """Return parameters that are headers."""
    return [
        {"name": name, "in": "header", "description": _HEADERS[name], "schema": _TEXT}
        for name in names
    ]


def body(*types: str, required: bool = True) -> dict[str, Any]:
    """Return a request's body of one of these types."""
    return {"required": required, "content": {type: {"schema": _schema(type)} for type in types}}


def operation(
    summary: str,
    *parameters: dict[str, Any],
    content: dict[str, Any] | None = None,
    ok: tuple[str, ...] = ("200",),
) -> dict[str, Any]:
    """Return one operation; `ok` are the statuses of success."""
    answers = {status: refer(_answer(status)) for status in ok}
    refused = {status: refer("Refused") for status in REFUSALS}
    made: dict[str, Any] = {
        "tags": ["FHIR R4"],
        "summary": summary,
        "security": [{"token": []}],
        "parameters": [
            *parameters,
            *({"$ref": f"#/components/parameters/{name}"} for name in COMMON),
        ],
        "responses": answers | refused,
    }
    return made | ({"requestBody": content} if content is not None else {})


def refer(answer: str) -> dict[str, Any]:
    """Return a reference to one of the answers of `components`."""
    return {"$ref": f"#/components/responses/{answer}"}


def components() -> dict[str, dict[str, Any]]:
    """Return what operations refer to."""
    resource = {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": _TEXT},
    }
    schema = {"schema": {"$ref": "#/components/schemas/Resource"}}
    content = {FHIR: schema, "application/json": schema}
    about = _answered("ETag", "Last-Modified", "Location", "Content-Location", "X-Request-Id")
    return {
        "schemas": {"Resource": resource},
        "parameters": {
            "Prefer": {
                "name": "Prefer",
                "in": "header",
                "description": "`return=minimal|representation|OperationOutcome`,"
                " `handling=strict|lenient`, `respond-async`.",
                "schema": _TEXT,
            },
            "Format": {
                "name": "_format",
                "in": "query",
                "schema": {"type": "string", "enum": ["json", FHIR, "application/json"]},
            },
            "Pretty": {"name": "_pretty", "in": "query", "schema": {"type": "boolean"}},
        },
        "responses": {
            "Done": {"description": "Done", "headers": about, "content": content},
            "Document": {
                "description": "Done; it is no resource",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "Nothing": {"description": "Done; there is nothing to say", "headers": about},
            "Later": {
                "description": "Not answered yet, or not any more",
                "headers": _answered("Content-Location", "X-Progress", "Retry-After"),
                "content": content,
            },
            "Refused": {
                "description": "An OperationOutcome says why",
                "headers": _answered("X-Request-Id"),
                "content": content,
            },
        },
        "securitySchemes": {
            "token": {
                "type": "oauth2",
                "flows": {"clientCredentials": {"tokenUrl": "/auth/token", "scopes": {}}},
            }
        },
    }


def _answered(*names: str) -> dict[str, Any]:
    return {name: {"schema": _TEXT} for name in names}


def _answer(status: str) -> str:
    return {"202": "Later", "204": "Nothing", "304": "Nothing"}.get(status, "Done")


def _schema(type: str) -> dict[str, Any]:
    if type == "application/json-patch+json":
        return {"type": "array", "items": {"type": "object"}}
    if type == FHIR:
        return {"$ref": "#/components/schemas/Resource"}
    return {"type": "object"}
