"""```http blocks: requests are sent, and answers compared with what the page shows.

A block holds one or more exchanges: a request line, headers, a body; a blank line and a status
line with the headers that matter; after another blank line, JSON that the answer must contain.
`…` stands for anything. In ```http eventually blocks the answer may take its time.

https://www.rfc-editor.org/rfc/rfc9112#section-2.1
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from tests.docs.page import Block, Different, alike

PATIENCE_S = 20.0
_REQUEST = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/\S*)(?: HTTP/1\.1)?")
_STATUS = re.compile(r"HTTP/1\.1 (\d{3})(?: .*)?")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what its answer must hold; `json` is None where any body will do."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    answered: Mapping[str, str]
    json: Any


def exchanges(text: str) -> list[Exchange]:
    """Read a block.

    Raises:
        ValueError: the block has no request line, or a request without its answer.
    """
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if _REQUEST.fullmatch(line) and _opens(lines, n)]
    if not starts or starts[0] != 0:
        raise ValueError("An `http` block begins with a request line.")
    return [_exchange(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


def run(block: Block, url: str, patience_s: float = PATIENCE_S) -> None:
    """Send the requests of a block to the server at `url`.

    Raises:
        Different: an answer is not as the page shows it.
    """
    wait = patience_s if "eventually" in block.words else 0.0
    with httpx.Client(base_url=url, timeout=30) as client:
        for exchange in exchanges(block.text):
            _run(exchange, client, time.monotonic() + wait)


def _opens(lines: Sequence[str], number: int) -> bool:
    return number == 0 or not lines[number - 1].strip()


def _exchange(lines: Sequence[str]) -> Exchange:
    at = next((n for n, line in enumerate(lines) if _STATUS.fullmatch(line)), None)
    if at is None:
        raise ValueError(f"`{lines[0]}` has no `HTTP/1.1` line with the answer.")
    request, status = _REQUEST.fullmatch(lines[0]), _STATUS.fullmatch(lines[at])
    assert request is not None
    assert status is not None
    headers, body = _message(lines[1:at])
    answered, shown = _message(lines[at + 1 :])
    expected = _decoded(shown) if shown else None
    return Exchange(request[1], request[2], headers, body, int(status[1]), answered, expected)


def _message(lines: Sequence[str]) -> tuple[dict[str, str], str]:
    blank = next((n for n, line in enumerate(lines) if not line.strip()), len(lines))
    pairs = (line.partition(":") for line in lines[:blank])
    return {name.strip(): value.strip() for name, _, value in pairs}, "\n".join(
        lines[blank:]
    ).strip()


def _decoded(text: str) -> Any:
    # Decimals are compared as they are written: 1.10 is not 1.1.
    return json.loads(text, parse_float=Decimal)


def _run(exchange: Exchange, client: httpx.Client, deadline: float) -> None:
    while True:
        answer = client.request(
            exchange.method,
            exchange.path,
            headers=_headers(exchange),
            content=exchange.body.encode(),
        )
        faults = compare(exchange, answer)
        if not faults:
            return
        if time.monotonic() > deadline:
            raise Different(
                f"{exchange.method} {exchange.path}: {'; '.join(faults)}\n{answer.text}"
            )
        time.sleep(0.05)  # between two looks at a condition that has a deadline


def _headers(exchange: Exchange) -> dict[str, str]:
    given = dict(exchange.headers)
    if exchange.body and not any(name.lower() == "content-type" for name in given):
        given["Content-Type"] = "application/fhir+json"
    return given


def compare(exchange: Exchange, answer: httpx.Response) -> list[str]:
    """Return how the answer differs from the page."""
    faults = []
    if answer.status_code != exchange.status:
        faults.append(f"status {answer.status_code}, not {exchange.status}")
    for name, value in exchange.answered.items():
        if not alike(value, answer.headers.get(name, "")):
            faults.append(f"{name} `{answer.headers.get(name, '')}`, not `{value}`")
    if exchange.json is not None and not faults:
        faults += missing(exchange.json, _decoded(answer.text or "null"))
    return faults


def missing(expected: Any, found: Any, where: str = "$") -> list[str]:
    """Return what of `expected` is not contained in `found`.

    Objects may have more members and arrays more items; the items shown come in their order.
    """
    match expected, found:
        case Mapping(), Mapping():
            return [
                fault
                for name, value in expected.items()
                for fault in missing(value, found.get(name), f"{where}.{name}")
            ]
        case list(), list():
            rest = iter(found)
            return [
                f"{where}[{n}] `{json.dumps(item, default=str)}` is not there"
                for n, item in enumerate(expected)
                if not any(not missing(item, candidate) for candidate in rest)
            ]
        case str(), str():
            same = alike(expected, found)
        case Decimal(), Decimal():
            same = str(expected) == str(found)
        case _:
            same = type(expected) is type(found) and expected == found
    return [] if same else [f"{where} is `{found}`, not `{expected}`"]
