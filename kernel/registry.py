"""Labels: one idiom for every extension point.

A label is a frozen dataclass bound at module level in a file of its own. `scan` finds all labels of
one kind in a package, so that importing a module changes nothing, there is no central list to edit,
and two labels with one name fail at start and name both modules. Third parties offer the same
labels through the entry-point group `medflow.<kind>`; see docs/adr/0007-label-and-scan.md.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


class Label(Protocol):
    """What every label has: the name that it is found by."""

    @property
    def name(self) -> str: ...


L = TypeVar("L", bound=Label)


def scan(package: str, kind: type[L]) -> dict[str, L]:
    """Return every label of `kind` in `package` and its sub-packages, by name, in name order.

    Raises:
        ValueError: two modules carry the same name.
    """
    found: dict[str, tuple[str, L]] = {}
    for where, label in _labels(package, kind):
        other = found.get(label.name)
        if other is not None and other[1] is not label:
            raise ValueError(
                f"{kind.__name__} `{label.name}` is in both `{other[0]}` and `{where}`."
            )
        found.setdefault(label.name, (where, label))
    return {name: found[name][1] for name in sorted(found)}


def _labels(package: str, kind: type[L]) -> Iterator[tuple[str, L]]:
    for module in _modules(importlib.import_module(package)):
        for value in vars(module).values():
            if isinstance(value, kind):
                yield module.__name__, value
    for point in importlib.metadata.entry_points(group=f"medflow.{kind.__name__.lower()}"):
        value = point.load()
        if not isinstance(value, kind):
            raise TypeError(f"Entry point `{point.value}` is not a {kind.__name__}.")
        yield point.value, value


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)
