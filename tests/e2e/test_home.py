"""The front page in a real browser, with and without its script; docs/install.md."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("There is no chromium: run `make clients`.")
    return found


def page(browser: str, profile: Path, url: str, *options: str) -> str:
    """Return the document as the browser has it after some seconds of its own time."""
    done = subprocess.run(
        [browser, *QUIET, f"--user-data-dir={profile}", *options, "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_a_browser_sees_the_live_state(
    browser: str, tmp_path: Path, server: dict[str, Any]
) -> None:
    dom = page(browser, tmp_path, f"{server['http']['url']}/", "--virtual-time-budget=5000")

    assert 'data-live="yes"' in dom  # the script has asked /health/detailed and shown the answer
    assert "Everything runs" in dom
    assert len(re.findall('class="state pass"', dom)) == 7


def test_the_page_says_the_same_without_its_script(server: dict[str, Any]) -> None:
    html = httpx.get(f"{server['http']['url']}/").text

    assert "Everything runs" in html
    assert f"{server['mllp']['host']} --port {server['mllp']['port']}" in html
    assert server["fhir"]["url"] in html


def test_the_page_loads_nothing_from_elsewhere(server: dict[str, Any]) -> None:
    answer = httpx.get(f"{server['http']['url']}/")

    links = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert [link for link in links if not link.startswith("/") or link.startswith("//")] == []
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert "style=" not in answer.text
    for link in links:
        if link.startswith("/assets/"):
            assert httpx.get(f"{server['http']['url']}{link}").status_code == 200


def test_what_is_not_an_asset_is_not_served(server: dict[str, Any]) -> None:
    base = server["http"]["url"]

    for name in ("home.html", "..%2Fhome.py", "%2e%2e/home.py", "nothing"):
        assert httpx.get(f"{base}/assets/{name}").status_code == 404
