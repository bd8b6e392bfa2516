"""Bundles: what is said of entries beyond their invariants.

https://hl7.org/fhir/R4/bundle.html#bundle-unique
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_server.conformance import targets
from fhir_server.conformance.findings import quoted
from fhir_server.fhirpath.node import children, step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_server.conformance.check import Check
    from fhir_server.conformance.findings import Severity
    from fhir_server.fhirpath import Node

_ABSOLUTE: Final = re.compile(r"(?:https?://\S+|urn:(?:uuid|oid):\S+|[a-z][a-z0-9+.-]*:\S+)")
_RESTFUL: Final = re.compile(r"https?://.+/([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})")
_URL: Final = re.compile(r"([A-Z][A-Za-z]+)(?:/([A-Za-z0-9.-]{1,64}))?(\?.*)?")
_BASE: Final = re.compile(r"https?://.+/(?=[A-Z][A-Za-z]+(?:/[A-Za-z0-9.-]{1,64})?(?:\?.*)?$)")
_NAMED: Final = frozenset({"document", "message", "collection", "searchset", "history"})
_LONGEST: Final = 2_000  # characters of a URL that is taken apart
_NAMELESS: Final = frozenset({"OperationOutcome", "Parameters"})
_FIRST: Final = {"document": "Composition", "message": "MessageHeader"}
_ASKING: Final = frozenset({"transaction", "batch"})


def check(run: Check, bundle: Node) -> None:
    """Judge the entries by the type of their Bundle."""
    type = _text(_object(bundle.value).get("type"))
    entries = _children(bundle, "entry")
    for entry in entries:
        if isinstance(entry.value, dict):
            _full_url(run, entry, type)
            if type in _ASKING:
                _request(run, entry)
    if type in _FIRST:
        _together(run, entries, type)


def index(bundle: Node) -> dict[str, Node]:
    """Return the resources of the entries by `fullUrl`, and by `Type/id`, the first of each."""
    found: dict[str, Node] = {}
    for entry in _children(bundle, "entry"):
        for resource in _children(entry, "resource"):
            url, id = _object(entry.value).get("fullUrl"), _object(resource.value).get("id")
            if isinstance(id, str):
                found.setdefault(f"{resource.kind.name}/{id}", resource)
            if isinstance(url, str):
                found[url] = resource
    return found


def _children(node: Node, name: str) -> list[Node]:
    found: list[Node] = []
    step(node, name, found)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _full_url(run: Check, entry: Node, type: str) -> None:
    url = _text(entry.value.get("fullUrl"))
    resource = _object(entry.value.get("resource"))
    if not url:
        if type in _NAMED and resource and resource.get("resourceType") not in _NAMELESS:
            _say(
                run,
                entry,
                "error",
                "required",
                "`fullUrl` is missing: references to this entry cannot be resolved.",
            )
        return
    if not _ABSOLUTE.fullmatch(url):
        said = f"{quoted(url)} is not an absolute URL or a `urn:uuid:`."
        _say(run, entry, "error", "value", said)
        return
    match = _RESTFUL.fullmatch(url) if len(url) <= _LONGEST else None
    kind, id = resource.get("resourceType"), resource.get("id")
    if match and kind == match[1] and isinstance(id, str) and id != match[2]:
        said = f"{quoted(url)} disagrees with the id {quoted(id)} of the resource."
        _say(run, entry, "error", "value", said)


def _say(run: Check, entry: Node, severity: Severity, code: str, sentence: str) -> None:
    run.add(entry, severity, code, sentence, member="fullUrl")


def _request(run: Check, entry: Node) -> None:
    """Judge whether method, URL and resource belong together."""
    request = _object(entry.value.get("request"))
    resource = _object(entry.value.get("resource"))
    fault = _request_fault(_text(request.get("method")), _text(request.get("url")), resource)
    for node in _children(entry, "request") if fault else ():
        run.add(node, "error", "value", fault, member="url")


def _request_fault(method: str, url: str, resource: dict[str, Any]) -> str:
    if len(url) > _LONGEST:
        return ""
    match = _URL.fullmatch(_BASE.sub("", url))
    kind, id = resource.get("resourceType"), resource.get("id")
    if method in {"POST", "PUT"} and "$" not in url and "_search" not in url:
        if not match or (kind and kind != match[1]):
            return f"{quoted(url)} does not fit to {method} of a `{kind or 'missing resource'}`."
        if method == "PUT" and not match[2] and not match[3]:
            return f"{quoted(url)} names no id and no criteria, and a PUT needs one of them."
        if method == "PUT" and match[2] and isinstance(id, str) and id != match[2]:
            return f"{quoted(url)} disagrees with the id {quoted(id)} of the resource."
    if method in {"GET", "HEAD", "DELETE"} and resource:
        return f"{method} {quoted(url)} comes with a resource; it takes none."
    return ""


def _together(run: Check, entries: list[Node], type: str) -> None:
    """A document or message holds what its first entry refers to, and a document nothing else."""
    resources = [found for entry in entries for found in _children(entry, "resource")]
    if not resources or resources[0].kind.name != _FIRST[type]:
        return
    first = resources[0]
    for reference in _references(run, first):
        text = _text(reference.value.get("reference"))
        if targets.resolved(run, reference) is None and _is_local(text):
            run.add(
                reference,
                "error" if type == "document" or reference.name == "focus" else "warning",
                "not-found",
                f"{quoted(text)} is not in the Bundle, and a {type} holds what it refers to.",
                member="reference",
            )
    if type == "document":
        _reachable(run, resources)


def _is_local(reference: str) -> bool:
    return bool(reference) and not reference.startswith(("#", "http://", "https://"))


def _reachable(run: Check, resources: list[Node]) -> None:
    """An entry that nothing leads to is no part of the document; what leads to one is."""
    links = {
        id(resource.value): [
            id(target.value)
            for reference in _references(run, resource)
            if (target := targets.resolved(run, reference)) is not None
        ]
        for resource in resources
    }
    seen: set[int] = set()
    waiting = [id(resources[0].value)]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += links.get(current, [])
    for resource in resources:
        leads = any(target in seen for target in links[id(resource.value)])
        if id(resource.value) not in seen and not leads:
            run.add(
                resource,
                "warning",
                "business-rule",
                f"Nothing in the document refers to this {resource.kind.name}.",
            )


def _references(run: Check, node: Node) -> Iterator[Node]:
    """Yield all references in a resource."""
    waiting = [node]
    while waiting:
        run.charge()
        current = waiting.pop()
        if current.kind.name == "Reference":
            if isinstance(current.value, dict):
                yield current
        elif isinstance(current.value, dict):
            waiting += children(current)
