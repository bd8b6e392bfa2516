"""Labels: importing changes nothing, and no two carry one name (docs/adr/0007-label-and-scan.md)."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from tests.architecture import tree

PLACES = [
    "fhir_server/interactions",
    "fhir_server/operations",
    "fhir_server/search/params",
    "hl7_listener/segments",
    "hl7_listener/messages",
    "dicom_node/services",
    "ai_adapters/models",
    "medflow/roles",
]


def labels(modules: Iterable[ModuleType]) -> Iterator[Any]:
    """Yield every label: a named frozen dataclass bound to an upper-case name."""
    for module in modules:
        for bound, value in vars(module).items():
            if bound.isupper() and not isinstance(value, type) and _is_label(value):
                yield value


def _is_label(value: object) -> bool:
    return dataclasses.is_dataclass(value) and isinstance(getattr(value, "name", None), str)


def duplicates(found: Iterable[Any]) -> list[str]:
    """Return the names that two different labels of one kind carry."""
    carriers: dict[tuple[type, str], list[Any]] = defaultdict(list)
    for label in found:
        same = carriers[type(label), label.name]
        if not any(other is label for other in same):
            same.append(label)
    return [f"{kind.__name__} `{name}`" for (kind, name), same in carriers.items() if len(same) > 1]


def found_here() -> list[ModuleType]:
    return [
        importlib.import_module(source.name.removesuffix(".py").replace("/", "."))
        for place in PLACES
        for source in tree.modules(place)
    ]


def test_no_two_labels_of_one_kind_share_a_name() -> None:
    assert duplicates(labels(found_here())) == []


def test_every_label_is_frozen() -> None:
    assert [
        label for label in labels(found_here()) if not type(label).__dataclass_params__.frozen
    ] == []


def test_two_labels_with_one_name_are_found() -> None:
    @dataclasses.dataclass(frozen=True)
    class Planted:
        name: str

    first, second = ModuleType("first"), ModuleType("second")
    first.A = first.ALIAS = Planted("x")  # type: ignore[attr-defined]  # modules take any name
    second.A = Planted("x")  # type: ignore[attr-defined]

    assert duplicates(labels([first])) == []
    assert duplicates(labels([first, second])) == ["Planted `x`"]


def test_importing_every_model_loads_no_model_library() -> None:
    names = [
        source.name.removesuffix(".py").replace("/", ".")
        for source in tree.modules("ai_adapters/models")
    ]
    program = (
        f"import sys, importlib; [importlib.import_module(n) for n in {names!r}];"
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )

    assert (
        subprocess.run([sys.executable, "-c", program], check=False, cwd=tree.ROOT).returncode == 0
    )
