"""MLLP framing (HL7 v2.5.1 appendix C §C.4.3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hl7_listener.mllp import HEAD, Finding, Frame, FrameDecoder, encode

STREAM = st.lists(
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"MSH|", b"x", b"y" * 40]),
    max_size=60,
).map(b"".join)


def decoded(*chunks: bytes, limit: int = 1 << 16) -> list[Frame | Finding]:
    decoder = FrameDecoder(limit)
    found = [item for chunk in chunks for item in decoder.feed(chunk)]
    return found + decoder.flush()


def test_a_frame_is_its_message() -> None:
    assert decoded(encode(b"MSH|")) == [Frame(b"MSH|", 4)]


def test_two_frames_in_one_write_are_two_messages() -> None:
    assert decoded(encode(b"a") + encode(b"b")) == [Frame(b"a", 1), Frame(b"b", 1)]


def test_line_ends_between_frames_are_nothing_to_talk_about() -> None:
    assert decoded(encode(b"a") + b"\r\n\n " + encode(b"b")) == [Frame(b"a", 1), Frame(b"b", 1)]


def test_other_bytes_between_frames_are_a_finding_and_lose_no_message() -> None:
    assert decoded(encode(b"a") + b"what" + encode(b"b")) == [
        Frame(b"a", 1),
        Finding("junk", 4),
        Frame(b"b", 1),
    ]


def test_a_start_inside_of_a_message_drops_the_fragment() -> None:
    assert decoded(b"\x0bhalf\x0bwhole\x1c\r") == [Finding("fragment", 4), Frame(b"whole", 5)]


def test_an_end_without_cr_is_an_end_when_the_next_message_starts() -> None:
    assert decoded(b"\x0ba\x1c\x0bb\x1c\r") == [Frame(b"a", 1), Frame(b"b", 1)]


def test_an_end_without_cr_is_an_end_when_the_line_falls_silent() -> None:
    decoder = FrameDecoder(100)

    assert decoder.feed(b"\x0ba\x1c") == []
    assert decoder.ending
    assert decoder.flush() == [Frame(b"a", 1)]


def test_a_separator_inside_of_a_message_belongs_to_it() -> None:
    assert decoded(b"\x0ba\x1cb\x1c\r") == [Frame(b"a\x1cb", 3)]


def test_a_message_that_is_too_long_is_cut_and_told_and_the_next_one_read() -> None:
    long = b"z" * 10_000

    assert decoded(encode(long) + encode(b"b"), limit=8000) == [
        Frame(b"z" * HEAD, 10_000, truncated=True),
        Frame(b"b", 1),
    ]


def test_a_peer_that_speaks_something_else_is_found_out() -> None:
    found = decoded(b"GET / HTTP/1.1\r\n" * 100, encode(b"a"))

    assert [item.code for item in found if isinstance(item, Finding)] == ["not_mllp"]
    assert len(found) == 1


@given(STREAM, st.lists(st.integers(1, 30), max_size=40))
def test_how_the_bytes_are_cut_does_not_matter(stream: bytes, cuts: list[int]) -> None:
    chunks, rest = [], stream
    for cut in cuts:
        chunks.append(rest[:cut])
        rest = rest[cut:]

    assert decoded(*chunks, rest, limit=64) == decoded(stream, limit=64)


@given(st.binary(max_size=5000))
def test_no_bytes_break_the_decoder_or_make_it_hold_more_than_its_limit(data: bytes) -> None:
    decoder = FrameDecoder(100)

    frames = [item for item in decoder.feed(data) if isinstance(item, Frame)]

    assert all(len(frame.data) <= max(100, HEAD) for frame in frames)


@given(st.binary(max_size=200).filter(lambda data: not set(data) & {0x0B, 0x1C}))
def test_what_is_framed_is_what_is_read(message: bytes) -> None:
    assert decoded(encode(message)) == [Frame(message, len(message))]
