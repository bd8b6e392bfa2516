"""Files are small, well named, and true on every machine (CONTRIBUTING.md)."""

from __future__ import annotations

import pytest

from tests.architecture import rules, tree
from tests.architecture.tree import Source


def test_no_file_is_longer_than_400_lines() -> None:
    assert rules.too_long(tree.python(*tree.PRODUCT, "profiles", "tests", "tools")) == []


def test_a_longer_file_is_found() -> None:
    planted = Source("kernel/long.py", "x = 1\n" * 401)

    assert rules.too_long([planted]) == ["`kernel/long.py` has 401 lines; 400 at most."]


def test_every_module_name_says_something() -> None:
    assert rules.vague_names(tree.python(*tree.PRODUCT, "tests", "tools")) == []


@pytest.mark.parametrize("name", ["kernel/utils.py", "fhir_server/common/x.py", "medflow/base.py"])
def test_a_vague_name_is_found(name: str) -> None:
    assert len(rules.vague_names([Source(name, "")])) == 1


def test_nothing_is_true_on_one_machine_only() -> None:
    assert rules.private_traces(tree.everything()) == []


@pytest.mark.parametrize(
    "line",
    # The bars keep this file clean of what it looks for.
    ["/w|ork/x", "see /h|ome/jo", 'open("/r|oot/x")', "pip --index-|url=x", "https://pypi.|org/x"],
)
def test_a_private_path_or_package_index_is_found(line: str) -> None:
    assert len(rules.private_traces([Source("README.md", f"a\n{line.replace('|', '')}\n")])) == 1


@pytest.mark.parametrize("line", ["docs/root/x", "https://hl7.org/work/x", "{root}/mnt/x", "/fhir"])
def test_an_address_on_the_web_or_a_relative_path_is_no_private_path(line: str) -> None:
    assert rules.private_traces([Source("README.md", line)]) == []


def test_every_kind_of_file_is_looked_at() -> None:
    names = {source.name for source in tree.everything()}

    assert {"pyproject.toml", "Makefile", ".ci/run", "kernel/errors.py", "docs/index.md"} <= names
