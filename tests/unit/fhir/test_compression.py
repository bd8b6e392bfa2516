"""https://www.rfc-editor.org/rfc/rfc9110#section-8.4"""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.http.compression import LARGE, Inflater, accepts_gzip, gzipped
from kernel.errors import BadStructure, TooLarge


async def inflate(parts: list[bytes], limit: int) -> bytes:
    inflater = Inflater(limit)
    made = [await inflater.feed(part, last=n == len(parts)) for n, part in enumerate(parts, 1)]
    return b"".join(made)


@given(body=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=5))
async def test_a_body_inflates_however_it_is_cut(body: bytes, cuts: list[int]) -> None:
    sent = gzip.compress(body)
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    parts = [sent[a:b] for a, b in itertools.pairwise(edges)]

    assert await inflate(parts, 3000) == body


async def test_several_streams_are_one_body() -> None:
    assert await inflate([gzip.compress(b"ab") + gzip.compress(b"cd")], 10) == b"abcd"


async def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)

    with pytest.raises(TooLarge, match="longer than 5000000 bytes"):
        await inflate([bomb], 5_000_000)


@pytest.mark.parametrize(
    "sent",
    [
        b"{}",
        b"\x1f\x8b",
        gzip.compress(b"abc")[:-3],
        zlib.compress(b"abc"),
        gzip.compress(b"a") + b"x",
    ],
)
async def test_what_is_not_gzip_is_refused(sent: bytes) -> None:
    with pytest.raises(BadStructure, match="gzip"):
        await inflate([sent], 100)


@pytest.mark.parametrize("size", [10, LARGE + 1])
async def test_what_is_compressed_is_gzip(size: int) -> None:
    body = b"ab" * size

    assert gzip.decompress(await gzipped(body)) == body


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("x-gzip", True),
        ("br", False),
        ("gzip;q=nonsense", False),
    ],
)
def test_gzip_is_sent_to_whoever_accepts_it(accepted: str, *, expected: bool) -> None:
    assert accepts_gzip(accepted) is expected
