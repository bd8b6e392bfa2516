"""Facts onto what is stored: absent is unchanged, null deletes, and other sources' data stays.

HL7 v2.5.1 §2.5.3 (delete indicators). The order of members is kept, so that content that did not
change is recognised as such.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from hl7_listener.segmentmap import DELETE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hl7_listener.segmentmap import Facts, Items

Json = dict[str, Any]

_CHOICE: Final = re.compile(r"_?(deceased|effective|multipleBirth|value)(?=[A-Z])")
_SERVER: Final = ("versionId", "lastUpdated")


def merged(stored: Mapping[str, Any], facts: Facts) -> Json:
    """Return the resource with the facts applied; `stored` is left as it is."""
    result = copy.deepcopy(dict(stored))
    said = {path.partition(".")[0] for path in (*facts.values, *facts.lists)}
    for name in [name for name in result if _element(name) in facts.owned and name not in said]:
        del result[name]
    for path, items in facts.lists.items():
        stored_items = [] if path in facts.owned else _get(result, path) or []
        _put(result, path, _items(stored_items, items) or DELETE)
    for path, value in facts.values.items():
        _clear_choice(result, path)
        _put(result, path, value)
    return result


def without_server_meta(resource: Json) -> Json:
    """Return the resource without the version that the server gave it."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in _SERVER}
    rest = {name: value for name, value in resource.items() if name != "meta"}
    return rest | ({"meta": meta} if meta else {})


def _element(name: str) -> str:
    """Return `value[x]` for `valueQuantity`."""
    found = _CHOICE.match(name)
    return f"{found.group(1)}[x]" if found else name


def _clear_choice(resource: Json, path: str) -> None:
    """A choice has one type: setting one removes the others."""
    element = _element(path)
    if element != path:
        for name in [n for n in resource if n != path and _element(n) == element]:
            del resource[name]


def _items(stored: list[Any], items: Items) -> list[Any]:
    new = {_identity(item): item for item in items.new}
    kept: list[Any] = []
    for item in stored:
        same = new.pop(_identity(item), None)
        if same is not None:
            kept.append(same)
        elif not any(owns(item) for owns in items.owns):
            kept.append(item)
    return kept + list(new.values())


def _identity(item: Any) -> str:
    """Return what makes two items the same: an Identifier's system and value, else all."""
    if isinstance(item, dict) and item.keys() & {"system", "value"} == {"system", "value"}:
        return f"{item['system']}|{item['value']}"
    return repr(_sorted(item))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((name, _sorted(member)) for name, member in value.items())
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _get(resource: Json, path: str) -> Any:
    found: Any = resource
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _put(resource: Json, path: str, value: Any) -> None:
    names = path.split(".")
    _put_at(resource, names, value)


def _put_at(node: Json, names: Iterable[str], value: Any) -> None:
    first, *rest = names
    if rest:
        inner = node.get(first)
        inner = inner if isinstance(inner, dict) else {}
        _put_at(inner, rest, value)
        value = inner or DELETE
    if value is DELETE:
        node.pop(first, None)
    else:
        node[first] = value
