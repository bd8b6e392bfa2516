"""The invariants of Bundle, by hand: what an entry must have follows from the Bundle's type.

https://hl7.org/fhir/R4/bundle.html#invs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

Json = dict[str, Any]

_ASKED: Final = frozenset({"batch", "transaction", "history"})
_ANSWERED: Final = frozenset({"batch-response", "transaction-response", "history"})


def _entries(bundle: Json) -> Iterator[Json]:
    yield from bundle.get("entry", ())


def _bdl_1(bundle: Json) -> bool:
    counted = "total" in bundle or "_total" in bundle
    return not counted or bundle.get("type") in {"searchset", "history"}


def _bdl_2(bundle: Json) -> bool:
    return bundle.get("type") == "searchset" or not any("search" in e for e in _entries(bundle))


def _bdl_3(bundle: Json) -> bool:
    asked = bundle.get("type") in _ASKED
    return all(("request" in entry) == asked for entry in _entries(bundle))


def _bdl_4(bundle: Json) -> bool:
    answered = bundle.get("type") in _ANSWERED
    return all(("response" in entry) == answered for entry in _entries(bundle))


def _bdl_5(entry: Json) -> bool:
    return "resource" in entry or "request" in entry or "response" in entry


def _bdl_7(bundle: Json) -> bool:
    """An entry is told apart by its URL and version; a history lists deletions without either."""
    if bundle.get("type") == "history":
        return True
    named = [
        (entry["fullUrl"], entry.get("resource", {}).get("meta", {}).get("versionId"))
        for entry in _entries(bundle)
        if "fullUrl" in entry
    ]
    return len(set(named)) == len(named)


def _bdl_8(entry: Json) -> bool:
    return "/_history/" not in entry.get("fullUrl", "")


def _bdl_9(bundle: Json) -> bool:
    """What `hasValue` would ask is left to the format: an extension is enough, as in R4's rule."""
    identifier = bundle.get("identifier", {})
    return bundle.get("type") != "document" or all(
        name in identifier or f"_{name}" in identifier for name in ("system", "value")
    )


def _bdl_10(bundle: Json) -> bool:
    return bundle.get("type") != "document" or "timestamp" in bundle


def _begins(kind: str, type: str) -> Callable[[Json], bool]:
    """The first entry of a document or message says what the Bundle is about.

    Without any entry there is nothing to judge: `is` of nothing is empty, and not false.
    """

    def begins(bundle: Json) -> bool:
        first = next(_entries(bundle), None)
        if bundle.get("type") != kind or first is None or "resource" not in first:
            return True
        return bool(first["resource"].get("resourceType") == type)

    return begins


BUNDLE: Final[dict[tuple[str, str], Callable[[Json], bool]]] = {
    ("", "bdl-1"): _bdl_1,
    ("", "bdl-2"): _bdl_2,
    ("", "bdl-3"): _bdl_3,
    ("", "bdl-4"): _bdl_4,
    ("", "bdl-5"): _bdl_5,
    ("", "bdl-7"): _bdl_7,
    ("", "bdl-8"): _bdl_8,
    ("", "bdl-9"): _bdl_9,
    ("", "bdl-10"): _bdl_10,
    ("", "bdl-11"): _begins("document", "Composition"),
    ("", "bdl-12"): _begins("message", "MessageHeader"),
}
"""By type, which is only needed where a key is used twice, and key."""
