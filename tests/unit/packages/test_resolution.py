"""https://hl7.org/fhir/R5/packages.html"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from fhir_server.packages import resolution
from fhir_server.packages.manifest import Manifest
from fhir_server.packages.package import Package
from fhir_server.packages.resolution import needed_by, resolve, unmet
from fhir_server.packages.versions import newest, satisfies
from kernel.errors import TooLarge


@dataclass(frozen=True)
class Shop:
    """A source with these packages, that remembers what it was asked for."""

    packages: tuple[Package, ...] = ()
    asked: list[str] = field(default_factory=list)

    def find(self, name: str, version: str) -> Package | None:
        self.asked.append(f"{name}#{version}")
        had = {
            one.manifest.version: one
            for one in self.packages
            if one.manifest.name == name and satisfies(one.manifest.version, version)
        }
        return had.get(newest(had))


def manifest(key: str, **dependencies: str) -> Manifest:
    name, version = key.split("#")
    return Manifest(name, version, dependencies=dependencies)


def package(key: str, **dependencies: str) -> Package:
    return Package(manifest(key, **dependencies))


def keys(found: resolution.Resolution) -> list[str]:
    return [one.key for one in found.packages]


def test_what_is_needed_comes_first_through_and_through() -> None:
    shop = Shop((package("b#1.0.0", c="1.0.0"), package("c#1.0.0")))

    found = resolve([package("a#1.0.0", b="1.0.0")], [], [shop])

    assert keys(found) == ["c#1.0.0", "b#1.0.0", "a#1.0.0"]
    assert found.missing == ()


def test_what_is_loaded_or_given_is_not_fetched() -> None:
    shop = Shop()
    given = [package("a#1.0.0", b="1.0.x", c="1.0.0"), package("c#1.0.0")]

    found = resolve(given, [manifest("b#1.0.7")], [shop])

    assert keys(found) == ["c#1.0.0", "a#1.0.0"]
    assert shop.asked == []


def test_r4_itself_is_always_there() -> None:
    found = resolve(
        [Package(Manifest("a", "1", dependencies={"hl7.fhir.r4.core": "4.0.1"}))], [], []
    )

    assert found.missing == ()


def test_what_is_nowhere_is_named_with_who_needs_it() -> None:
    shop = Shop((package("b#2.0.0"),))

    found = resolve(
        [package("a#1.0.0", b="1.0.0", c="1.0.0"), package("d#1", c="1.0.0")], [], [shop]
    )

    assert {(one.name, one.version, one.needed_by) for one in found.missing} == {
        ("b", "1.0.0", "a#1.0.0"),
        ("c", "1.0.0", "a#1.0.0"),
    }
    assert "`medflow profiles add b-1.0.0.tgz`" in found.missing[0].hint


def test_the_first_source_that_has_it_is_taken() -> None:
    near, far = Shop((package("b#1.0.1"),)), Shop((package("b#1.0.2"),))

    found = resolve([package("a#1.0.0", b="1.0.x")], [], [near, far])

    assert keys(found) == ["b#1.0.1", "a#1.0.0"]
    assert far.asked == []


def test_a_source_that_offers_something_else_is_not_believed() -> None:
    class Liar:
        def find(self, name: str, version: str) -> Package | None:
            return package("x#1.0.0")

    found = resolve([package("a#1.0.0", b="1.0.0")], [], [Liar()])

    assert (keys(found), [one.name for one in found.missing]) == (["a#1.0.0"], ["b"])


def test_a_circle_ends() -> None:
    shop = Shop((package("b#1.0.0", a="1.0.0"),))

    found = resolve([package("a#1.0.0", b="1.0.0")], [], [shop])

    assert sorted(keys(found)) == ["a#1.0.0", "b#1.0.0"]


def test_a_chain_without_end_is_refused() -> None:
    class Endless:
        def find(self, name: str, version: str) -> Package | None:
            return package(f"{name}#1", **{f"{name}x": "1"})

    with pytest.raises(TooLarge, match="more than 100 packages"):
        resolve([package("a#1", b="1")], [], [Endless()])


def test_a_long_chain_is_put_in_order() -> None:
    chain = tuple(package(f"p{n}#1", **{f"p{n + 1}": "1"}) for n in range(90))

    found = resolve([chain[0]], [], [Shop(chain)])

    assert keys(found) == [one.key for one in reversed(chain)]


def test_what_loaded_packages_lack_is_found() -> None:
    loaded = [manifest("a#1.0.0", b="1.0.0", c="1.0.0"), manifest("c#1.0.0")]

    assert [(one.name, one.needed_by) for one in unmet(loaded)] == [("b", "a#1.0.0")]


def test_who_needs_a_package_is_found() -> None:
    loaded = [manifest("a#1.0.0", b="1.0.x"), manifest("b#1.0.1"), manifest("c#1.0.0", b="2.0.0")]

    assert needed_by("b", "1.0.1", loaded) == ["a#1.0.0"]
    assert needed_by("a", "1.0.0", loaded) == []
    assert needed_by("b", "1.0.1", [*loaded, manifest("b#1.0.2")]) == []
