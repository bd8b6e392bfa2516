"""References inside a transaction: placeholders and criteria become `Type/id`.

https://hl7.org/fhir/R4/http.html#trules

A link is replaced where R4 has one: in a Reference and in elements of type uri and url,
`Attachment.url` and extensions included. Not in a canonical, as R4 says, nor in narrative; not in
an oid or uuid, which R4 names too, but where `Patient/1` would be no valid value; and not in what
names a thing instead of linking to it: `Identifier.value`, a `system`, the `url` by which
a definition or an extension is known.

Works on the resources' bytes as long as links are References, which is nearly always; what else
looks like a link is decided by the element's type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_server import jsonio, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Each begins with a literal, which the regex engine finds by a scan of memory.
_REFERENCE: Final = re.compile(rb'("reference"\s*:\s*)"([^"\\]*(?:\\.[^"\\]*)*)"')
_CRITERIA: Final = re.compile(rb'"reference"\s*:\s*("[A-Z][A-Za-z]{1,60}\?(?:[^"\\]|\\.){1,1000}")')
_URN: Final = re.compile(rb'"(urn:(?:uuid|oid):[^"\\]{1,400})"')
_URL: Final = re.compile(rb'"(https?://[^"\\]{1,600})"')
_RELATIVE: Final = re.compile(rb'"([A-Z][A-Za-z]{1,60}/[^"\\]{1,300})"')
_VALUE: Final = re.compile(rb'"(?:value|system)"\s*:\s*$')
_LITERAL: Final = re.compile(
    r"(?P<base>.*/)?(?P<local>[A-Z][A-Za-z]{1,60}/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?"
)
_ESCAPED: Final = b"\\/"
"""A slash as some serialisers write it."""
LINKS: Final = frozenset({"uri", "url"})
NAMES: Final = frozenset({"system"})
"""Elements of type uri that name a thing: a code system, a system of identifiers."""


def conditional(bodies: Iterable[bytes]) -> list[str]:
    """Return every distinct conditional reference, `Type?criteria`, in order of appearance."""
    found: dict[str, None] = {}
    for body in bodies:
        for match in _CRITERIA.finditer(body):
            found.setdefault(_text(match[1]))
    return list(found)


@dataclass(frozen=True, slots=True)
class Full:
    """A `fullUrl` without a version, and the base of what is relative to it; None: it has none.

    https://hl7.org/fhir/R4/bundle.html#references
    """

    key: str
    base: str | None

    @classmethod
    def of(cls, url: str) -> Full:
        match = _LITERAL.fullmatch(url)
        if match is None:
            return cls(url, None if url else "")
        return cls(f"{match['base'] or ''}{match['local']}", match["base"] or "")


class Targets:
    """What placeholders stand for: keys are `fullUrl`s and criteria, values `Type/id`.

    `made` are those of the values that are new, and so have a first version only.
    """

    def __init__(self, targets: Mapping[str, str], made: frozenset[str] = frozenset()) -> None:
        self._made = made
        self._targets = {
            key if "?" in key else Full.of(key).key: value for key, value in targets.items()
        }
        self._exact = {
            key.encode(): msgspec.json.encode(target) for key, target in self._targets.items()
        }
        keys = [key for key in self._targets if "?" not in key]
        self._criteria = len(keys) < len(self._targets)
        self._any = bool(keys)
        self._slashes = any("/" in key for key in keys)
        kinds = (
            (_URN, b'"urn:', any(key.startswith("urn:") for key in keys)),
            (_URL, b'"http', any(key.startswith("http") for key in keys)),
            (_RELATIVE, b'"', any(self._moved(key) for key in keys)),
        )
        self._others = [(pattern, start) for pattern, start, wanted in kinds if wanted]

    def rewrite(self, body: bytes, full_url: str = "") -> bytes:
        """Return the body with each placeholder replaced; one that is not known stays as it is.

        `full_url` is the resource's own: relative references in it are relative to its base.

        Raises:
            BadStructure: the body is not JSON.
        """
        if not self._targets:
            return body
        if self._slashes and _ESCAPED in body:
            body = jsonio.encode(jsonio.decode(body))
        if self._criteria:
            body = _CRITERIA.sub(self._conditional, body)
        if not self._any:
            return body
        base = Full.of(full_url).base
        exact = self._exact

        def reference(match: re.Match[bytes]) -> bytes:
            target = exact.get(match[2])
            if target is not None:
                return match[1] + target
            changed = self._link(match[2].decode("utf-8", "replace"), base)
            return match[0] if changed is None else match[1] + msgspec.json.encode(changed)

        body = _REFERENCE.sub(reference, body)
        if self._elsewhere(body, base):
            return jsonio.encode(self._walked(jsonio.decode(body), base))
        return body

    def _link(self, text: str, base: str | None) -> str | None:
        """Return what a link becomes; what follows a `#` is kept, a version if it can be right."""
        if text in self._targets:
            return self._targets[text]
        if "/" not in text and "#" not in text:
            return None
        url, hash, fragment = text.partition("#")
        key, history, version = url.partition("/_history/")
        target = self._targets.get(key)
        if target is None and base and _LITERAL.fullmatch(key):
            target = self._targets.get(f"{base}{key}")
        if history and target in self._made:
            version = "1"
        return target and f"{target}{history}{version}{hash}{fragment}"

    def _elsewhere(self, body: bytes, base: str | None) -> bool:
        """Return whether something that is no Reference looks like a link."""
        for pattern, literal in self._others:
            for match in pattern.finditer(body) if literal in body else ():
                if self._link(match[1].decode("utf-8", "replace"), base) is None:
                    continue
                # The bytes before hold the member's name and the spaces that people write.
                start = match.start()
                if _VALUE.search(body, max(0, start - 20), start) is None:
                    return True
        return False

    def _walked(self, resource: dict[str, Any], base: str | None) -> dict[str, Any]:
        def link(text: str) -> str:
            return self._link(text, base) or text

        return _object(resource, str(resource.get("resourceType")), link)

    def _moved(self, key: str) -> bool:
        """Return whether what a `fullUrl` ends with is not what the resource is called here."""
        return not key.startswith("urn:") and not key.endswith(f"/{self._targets[key]}")

    def _conditional(self, match: re.Match[bytes]) -> bytes:
        target = self._targets.get(_text(match[1]))
        if target is None:
            return match[0]
        return match[0][: -len(match[1])] + msgspec.json.encode(target)


def _object(value: dict[str, Any], type: str, link: Callable[[str], str]) -> dict[str, Any]:
    """Return an object of a type with its links replaced."""
    members = _members(type)
    root = "resourceType" in value
    return {
        name: item
        if root and name == "url"
        else _value(item, members.get(name.removeprefix("_"), ""), link)
        for name, item in value.items()
    }


def _value(value: Any, type: str, link: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_value(item, type, link) for item in value]
    if isinstance(value, str):
        return link(value) if type in LINKS else value
    if not isinstance(value, dict):
        return value
    if type == "Resource":
        return _object(value, str(value.get("resourceType")), link)
    if not _members(type):
        # Beside a primitive, in a member that begins with `_`, stand its extensions.
        return {
            name: _value(item, "Extension" if name == "extension" else "", link)
            for name, item in value.items()
        }
    return _object(value, type, link)


def _members(type: str) -> dict[str, str]:
    """Return the types of a type's members by their JSON names; empty for what R4 does not know."""
    return _known(type) if tables.exists(type) else {}


@cache
def _known(type: str) -> dict[str, str]:
    if tables.get(type).kind == "primitive":
        return {}
    members: dict[str, str] = {}
    for name, element in tables.get(type).elements.items():
        if name.endswith("[x]"):
            stem = name.removesuffix("[x]")
            members |= {f"{stem}{kind[:1].upper()}{kind[1:]}": kind for kind in element.types}
        elif element.types and not _names(type, name):
            members[name] = element.types[0]
    if type == "Reference":
        members["reference"] = "uri"
    return members


def _names(type: str, name: str) -> bool:
    """Return whether an element of type uri names a thing instead of linking to it."""
    return name in NAMES or (type, name) in {("Extension", "url"), ("Reference", "type")}


def _text(raw: bytes) -> str:
    text: str = msgspec.json.decode(raw, type=str)
    return text
