"""Settings are read in one place and described on one page (docs/settings.md)."""

from __future__ import annotations

from kernel import settings
from medflow.settings_page import markdown
from tests.architecture import rules, tree
from tests.architecture.tree import Source

# They read nothing from the environment: they hand it on to the processes that they start.
HAND_ON = ("medflow/embedded/", "medflow/supervisor")
READER = "kernel/settings.py"


def test_only_the_settings_module_reads_the_environment() -> None:
    sources = tree.python(*tree.PRODUCT)

    found = rules.environment_readers(sources)

    assert [where for where in found if not where.startswith((READER, *HAND_ON))] == []


def test_the_settings_module_is_seen_reading_it() -> None:
    assert rules.environment_readers([Source(READER, tree.read(READER))])


def test_a_second_reader_is_found() -> None:
    planted = Source(
        "a.py", 'import os\nx = os.environ["X"]\ny = os.getenv("Y")\nfrom os import environ\n'
    )

    assert rules.environment_readers([planted]) == ["a.py:4", "a.py:2", "a.py:3"]


def test_every_setting_says_what_it_does_in_a_sentence() -> None:
    assert [
        name
        for name, (_, field) in settings.names().items()
        if not (field.description or "").rstrip("`").endswith(".")
    ] == []


def test_the_settings_page_is_what_medflow_prints() -> None:
    hint = "docs/settings.md is out of date: run `make docs`."
    assert tree.read("docs/settings.md") == markdown(), hint


def test_the_settings_page_names_every_setting() -> None:
    page = Source("docs/settings.md", tree.read("docs/settings.md"))

    assert rules.unmentioned((f"`{name}`" for name in settings.names()), page) == []
    assert rules.unmentioned(["`MEDFLOW_PLANTED`"], page) != []
