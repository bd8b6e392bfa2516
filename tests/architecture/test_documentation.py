"""Every part has its page, every link leads somewhere, and each page says what is not there."""

from __future__ import annotations

import pytest

from tests.architecture import rules, tree
from tests.architecture.tree import Source

INDEX = Source("docs/index.md", tree.read("docs/index.md"))
# What has one page for all of its modules, and where.
SHARED_PAGES = {
    "hl7_listener/messages": "docs/hl7v2.md",
    "hl7_listener/segments": "docs/hl7v2.md",
    "dicom_node/services": "docs/dicom.md",
    "ai_adapters/models": "docs/ai.md",
    "fhir_server/search/params": "docs/search.md",
}


# https://hl7.org/fhir/R4/http.html; the folder also holds the parts that they share.
INTERACTIONS = {
    "read", "vread", "update", "patch", "delete", "history", "create", "search", "capabilities",
    "batch", "transaction",
}  # fmt: skip


def test_every_interaction_has_its_page() -> None:
    modules = {module.stem for module in tree.modules("fhir_server/interactions")}
    wanted = [f"docs/interactions/{name}.md" for name in sorted(INTERACTIONS & modules)]

    assert wanted
    assert rules.undocumented(wanted, (page.name for page in tree.pages())) == []


def test_every_operation_has_its_page() -> None:
    modules = {module.stem for module in tree.modules("fhir_server/operations")} - {"operation"}
    wanted = [f"docs/operations/{name}.md" for name in sorted(modules)]

    assert rules.undocumented(wanted, (page.name for page in tree.pages())) == []


def test_a_missing_page_is_found() -> None:
    assert rules.undocumented(["docs/a.md"], ["docs/b.md"]) == ["`docs/a.md` is missing."]


@pytest.mark.parametrize("folder", SHARED_PAGES)
def test_every_part_is_on_the_page_of_its_kind(folder: str) -> None:
    page = Source(SHARED_PAGES[folder], tree.read(SHARED_PAGES[folder]))

    assert rules.unmentioned((module.stem for module in tree.modules(folder)), page) == []


def test_a_part_without_a_word_on_it_is_found() -> None:
    assert rules.unmentioned(["PV1"], Source("docs/a.md", "PID only")) == [
        "`docs/a.md` does not mention `PV1`."
    ]


def test_every_page_is_linked_from_the_index() -> None:
    names = [page.name for page in tree.pages() if page.name != INDEX.name]

    assert rules.unlinked(names, INDEX) == []


def test_a_page_without_a_link_is_found() -> None:
    index = Source("docs/index.md", "[a](a.md) [b](adr/b.md#x)")

    assert rules.unlinked(["docs/a.md", "docs/adr/b.md", "docs/c.md"], index) == [
        "`docs/index.md` has no link to `docs/c.md`."
    ]


def test_every_relative_link_leads_somewhere() -> None:
    files = [source.name for source in tree.everything()]
    pages = [source for source in tree.everything() if source.name.endswith(".md")]

    assert rules.broken_links(pages, files) == []


def test_a_broken_link_is_found() -> None:
    page = Source("docs/adr/a.md", "[b](../b.md) [c](c.md) [d](https://hl7.org) [e](../../docs)")

    assert rules.broken_links([page], ["docs/b.md"]) == [
        "`docs/adr/a.md` links to `c.md`, which is not there."
    ]


def test_every_page_ends_with_what_is_not_supported_yet() -> None:
    pages = [
        page
        for page in tree.pages()
        if page.folder not in {"docs/adr", "docs/howto"} and page.name != INDEX.name
    ]

    assert [page.name for page in pages if _last_heading(page.text) != "Not supported yet"] == []


def test_the_last_heading_is_not_one_inside_a_block() -> None:
    assert _last_heading("# A\n## Not supported yet\n```console\n# B\n```\n") == "Not supported yet"
    assert _last_heading("## Not supported yet\n\n## More\n") == "More"


DECISIONS = [page for page in tree.pages() if page.folder == "docs/adr"]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_record_is_one_page_with_its_five_parts(page: Source) -> None:
    headings = [line[3:] for line in page.text.splitlines() if line.startswith("## ")]

    assert headings == ["Context", "Decision", "Status", "Consequences", "Measured"]
    assert len(page.text.splitlines()) <= 60


def test_the_readme_is_short() -> None:
    assert len(tree.read("README.md").splitlines()) <= 120


def _last_heading(text: str) -> str:
    last, inside = "", False
    for line in text.splitlines():
        inside ^= line.startswith("```")
        if line.startswith("#") and not inside:
            last = line.lstrip("# ").strip()
    return last
