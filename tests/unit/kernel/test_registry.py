"""Labels are found by scanning a package (docs/adr/0007-label-and-scan.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernel.registry import scan


@dataclass(frozen=True)
class Dish:
    name: str
    price: int = 0


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty package that can be imported."""
    package = tmp_path / "kitchen"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.Dish", Dish, raising=False)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "kitchen"]:
        del sys.modules[name]


def test_labels_of_all_modules_are_found_in_name_order(kitchen: Path) -> None:
    (kitchen / "b.py").write_text("SOUP = Dish('soup')\n")
    (kitchen / "sub").mkdir()
    (kitchen / "sub" / "__init__.py").touch()
    (kitchen / "sub" / "a.py").write_text("CAKE = Dish('cake')\nOTHER = 1\n")

    assert list(scan("kitchen", Dish)) == ["cake", "soup"]


def test_one_name_in_two_modules_is_refused_and_both_are_named(kitchen: Path) -> None:
    (kitchen / "a.py").write_text("ONE = Dish('soup')\n")
    (kitchen / "b.py").write_text("TWO = Dish('soup')\n")

    with pytest.raises(ValueError, match=r"Dish `soup` is in both `kitchen\.a` and `kitchen\.b`\."):
        scan("kitchen", Dish)


def test_a_label_that_a_second_module_imports_is_one_label(kitchen: Path) -> None:
    (kitchen / "a.py").write_text("SOUP = Dish('soup', 3)\n")
    (kitchen / "b.py").write_text("from kitchen.a import SOUP\n")

    assert scan("kitchen", Dish) == {"soup": Dish("soup", 3)}


def test_an_empty_package_has_no_labels(kitchen: Path) -> None:
    assert scan("kitchen", Dish) == {}
