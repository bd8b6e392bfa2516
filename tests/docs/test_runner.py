"""The runner of the documentation's examples can fail: a wrong page does not pass."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.docs import exchange, message, shell
from tests.docs.page import Block, Different, alike, runnable

ANSWER = '{"resourceType": "Patient", "gender": "female", "x": 1.10, "name": [{"family": "A"}]}'
ACK = "MSH|^~\\&|MEDFLOW\rMSA|AA|42|all is well\r"


class Fixed(BaseHTTPRequestHandler):
    """Always says the same, so that only the page can be wrong."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("ETag", 'W/"1"')
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Acknowledging(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(message.START + ACK.encode() + message.END)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Fixed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def peer() -> Iterator[tuple[str, int]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Acknowledging) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()


def block(language: str, text: str, *words: str) -> Block:
    return Block(language, words, 1, text)


def test_only_the_three_kinds_of_blocks_are_run() -> None:
    page = "# A\n\n```http\nGET /x\n```\n\n```json\n{}\n```\n\n```console\n$ ls\n```\n\n```hl7 a\nM\n```\n"

    assert [(b.language, b.words, b.line) for b in runnable(page)] == [
        ("http", (), 4),
        ("console", (), 12),
        ("hl7", ("a",), 16),
    ]


def test_a_right_http_block_passes(url: str) -> None:
    exchange.run(
        block(
            "http",
            'GET /Patient/7\n\nHTTP/1.1 200 OK\nETag: W/"1"\n\n{"gender": "fe…", "name": [{}]}\n\n'
            "GET /Patient/8\nAccept: application/json\n\nHTTP/1.1 200\n",
        ),
        url,
    )


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 201",
        'HTTP/1.1 200\nETag: W/"2"',
        'HTTP/1.1 200\n\n{"gender": "male"}',
        'HTTP/1.1 200\n\n{"x": 1.1}',
        'HTTP/1.1 200\n\n{"birthDate": "1990-02-03"}',
        'HTTP/1.1 200\n\n{"name": [{"family": "B"}]}',
        'HTTP/1.1 200\n\n{"name": [{}, {}]}',
        'HTTP/1.1 200\n\n{"name": {"family": "A"}}',
    ],
)
def test_a_wrong_http_block_fails(url: str, answer: str) -> None:
    with pytest.raises(Different):
        exchange.run(block("http", f"GET /Patient/7\n\n{answer}\n"), url)


def test_an_answer_that_never_comes_fails_in_the_end(url: str) -> None:
    with pytest.raises(Different):
        exchange.run(block("http", "GET /x\n\nHTTP/1.1 404\n", "eventually"), url, patience_s=0.1)


@pytest.mark.parametrize("text", ["GET /x\n", "hello\n", ""])
def test_an_http_block_without_request_or_answer_is_refused(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"block|answer"):
        exchange.run(block("http", text), url)


def test_a_body_with_blank_lines_stays_whole() -> None:
    text = 'PUT /fhir/Patient/7\nX-A: b\n\n{\n\n"a": 1}\n\nHTTP/1.1 201\n'

    (read,) = exchange.exchanges(text)

    assert (read.method, read.headers, read.body) == ("PUT", {"X-A": "b"}, '{\n\n"a": 1}')


def test_a_right_hl7_block_passes(peer: tuple[str, int]) -> None:
    message.run(block("hl7", "MSH|^~\\&|A\nPID|1\n\nMSA|AA|42\nMSA|AA|…|all is well\n"), *peer)


@pytest.mark.parametrize("segment", ["MSA|AE|42", "MSA|AA|4", "ERR", "MSA|AA|42|all"])
def test_a_wrong_hl7_block_fails(peer: tuple[str, int], segment: str) -> None:
    with pytest.raises(Different):
        message.run(block("hl7", f"MSH|^~\\&|A\n\n{segment}\n"), *peer)


def test_an_hl7_block_without_an_answer_is_refused(peer: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match="answer"):
        message.run(block("hl7", "MSH|^~\\&|A\n"), *peer)


def test_a_right_console_block_passes(tmp_path: Path) -> None:
    text = "$ X=2; echo port \\\n  8000\nport 8…\n$ echo $X\n2\n$ true\n"

    shell.run(block("console", text), tmp_path, os.environ, {"8000": "8123"})


@pytest.mark.parametrize("text", ["$ echo a\nb\n", "$ false\n", "$ echo a\na\n$ exit 3\n"])
def test_a_wrong_console_block_fails(tmp_path: Path, text: str) -> None:
    with pytest.raises(Different):
        shell.run(block("console", text), tmp_path, os.environ, {})


def test_a_default_port_becomes_the_real_one(tmp_path: Path) -> None:
    text = "$ echo 8000 18000 11112\n9999 18000 7777\n"

    shell.run(block("console", text), tmp_path, os.environ, {"8000": "9999", "11112": "7777"})


def test_a_command_that_is_tested_elsewhere_is_not_run_here(tmp_path: Path) -> None:
    shell.run(block("console", "$ make serve\nnever looked at\n"), tmp_path, {}, {})


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert shell.missing_clients("$ storescu -aec MEDFLOW localhost 11112 x.dcm") == ["storescu"]


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [("a…c", "abbc", True), ("a.c", "abc", False), ("…", "", True), ("a…", "b", False)],
)
def test_an_ellipsis_stands_for_anything(expected: str, found: str, same: bool) -> None:
    assert alike(expected, found) is same
