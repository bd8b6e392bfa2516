"""What a caller can read and how it wants to be served: `Accept`, `_format`, `Prefer`.

https://hl7.org/fhir/R4/http.html#mime-type
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kernel.errors import NotAcceptable, UnsupportedMediaType

MIME: Final = b"application/fhir+json;charset=utf-8"
PLAIN: Final = b"application/json;charset=utf-8"
FHIR_JSON: Final = "application/fhir+json"
NAMES: Final = frozenset(
    {"json", FHIR_JSON, "application/json", "application/json+fhir", "text/json"}
)
"""Ways to ask for JSON in `_format`."""
BROWSERS: Final = frozenset({"text/html", "application/xhtml+xml"})
"""A page is not what there is; whoever looks with a browser is better served with JSON than not."""
ANY: Final = frozenset({"*/*", "application/*", ""})
VERSION: Final = re.compile(r"4\.0(?:\.\d{1,2})?", re.ASCII)
CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})
LONGEST: Final = 4096
_PARAMETER: Final = re.compile(r';\s*([\w.\-]+)\s*=\s*(?:"([^"]*)"|([^;,\s]*))')


@dataclass(frozen=True, slots=True)
class _Range:
    """One media range of an `Accept`, with the version of FHIR that it asks for."""

    kind: str
    weight: float
    version: str


def negotiate(accept: str, format: str | None) -> bytes:
    """Return the content type to answer with; `_format` goes before `Accept`.

    Raises:
        NotAcceptable: neither allows JSON of R4.
    """
    if len(accept) > LONGEST or (format is not None and len(format) > LONGEST):
        raise NotAcceptable(f"`Accept` and `_format` may have {LONGEST} characters.")
    return _negotiate(accept, format)


@lru_cache(maxsize=256)
def _negotiate(accept: str, format: str | None) -> bytes:
    if format is not None:
        asked = _range(format.strip().replace(" ", "+"))
        if asked.kind not in NAMES or not _is_r4(asked.version):
            raise NotAcceptable(
                f"`_format` is `{format[:80]}`; `json` (FHIR 4.0) is what there is. {_XML}"
            )
        return _mime(asked)
    ranges = [_range(part) for part in _split(accept)]
    usable = [one for one in ranges if _is_r4(one.version)]
    best = max((one for one in usable if one.kind in NAMES), key=_weight, default=None)
    if best is not None and best.weight > 0:
        return _mime(best)
    refused = {one.kind for one in usable if not one.weight > 0}
    if any(one.weight > 0 and one.kind in ANY | BROWSERS for one in usable):
        if FHIR_JSON not in refused:
            return MIME
        if "application/json" not in refused:
            return PLAIN
    raise NotAcceptable(
        f"`Accept` is `{accept[:80]}`; `{FHIR_JSON}` (FHIR 4.0) is what there is. {_XML}"
    )


_XML: Final = "XML and Turtle are not served."


@lru_cache(maxsize=256)
def weight(accept: str, kind: str) -> float:
    """Return how much an `Accept` wants what it names as `kind`, 0 if it does not name it."""
    ranges = (_range(part) for part in _split(accept[:LONGEST]))
    return max((one.weight for one in ranges if one.kind == kind), default=0.0)


def understood(content_type: str) -> None:
    """Refuse a body whose type says that it is of another version of FHIR or no UTF-8.

    Raises:
        UnsupportedMediaType: it is.
    """
    parameters = _parameters(content_type[:LONGEST])
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in CHARSETS:
        raise UnsupportedMediaType(f"The charset is `{charset[:40]}`; JSON is UTF-8.")
    version = parameters.get("fhirversion", "")
    if not _is_r4(version):
        raise UnsupportedMediaType(f"`fhirVersion` is `{version[:40]}`; 4.0 is spoken here.")


@lru_cache(maxsize=256)
def preferences(header: str) -> dict[str, str]:
    """Return what a `Prefer` header says, in lower case; the first of a name counts.

    https://www.rfc-editor.org/rfc/rfc7240#section-2
    """
    found: dict[str, str] = {}
    for part in re.split(r"[,;]", header):
        name, _, value = part.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"').lower())
    return found


def _mime(asked: _Range) -> bytes:
    """Return a type that the caller has named; a version is repeated if it was asked for."""
    mime = PLAIN if asked.kind == "application/json" else MIME
    return mime.replace(b";", b";fhirVersion=4.0;") if asked.version else mime


def _range(text: str) -> _Range:
    parameters = _parameters(text)
    kind = text.partition(";")[0].strip().lower()
    return _Range(kind, _quality(parameters.get("q", "1")), parameters.get("fhirversion", ""))


def _weight(one: _Range) -> tuple[float, bool]:
    return one.weight, one.kind == FHIR_JSON


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_r4(version: str) -> bool:
    return not version or VERSION.fullmatch(version) is not None


def _split(header: str) -> list[str]:
    """Return the parts of a list; a comma inside quotes does not part them."""
    return re.findall(r'(?:[^,"]|"[^"]*"?)+', header) or [""]


def _parameters(text: str) -> dict[str, str]:
    return {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(text)}
