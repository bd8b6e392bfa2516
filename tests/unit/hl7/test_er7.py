"""ER7 encoding (HL7 v2.5.1 §2.5, §2.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7_listener import batch, charset, er7
from hl7_listener.er7 import Delimiters
from kernel.errors import BadStructure

HEADER = "MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5.1\r"
FIELD = st.text(st.sampled_from('ab1 ^~&\\F."é'), max_size=12)
SEGMENT = st.tuples(st.sampled_from(["PID", "PV1", "OBX", "ZZ9"]), st.lists(FIELD, max_size=8)).map(
    lambda parts: "|".join([parts[0], *parts[1]])
)


def test_the_delimiters_are_read_from_the_message() -> None:
    message = er7.parse("MSH$%*!/$A$B\rPID$1$$7%%%HOSP/1.2/ISO*8\r")

    assert message.value("PID-3.4.2") == "1.2"
    assert message.value("PID-3(2)") == "8"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"])
def test_any_line_end_ends_a_segment(end: str) -> None:
    message = er7.parse(HEADER.replace("\r", end) + "PID|1||7" + end + "PV1|1")

    assert [segment.name for segment in message.segments] == ["MSH", "PID", "PV1"]


def test_a_line_that_is_no_segment_goes_on_with_the_text_before_it() -> None:
    message = er7.parse(HEADER + "OBX|1|TX|c||first\rsecond, of the same text\rNTE|1")

    assert message.value("OBX-5") == "first\nsecond, of the same text"


def test_a_null_is_no_value() -> None:
    pid = er7.parse(HEADER + 'PID|1||""').segments[1]

    assert (pid.null(3), pid.valued(3), pid.text(3)) == (True, False, "")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("5\\F\\6 \\T\\ more\\.br\\end", "5|6 & more\nend"),
        ("\\S\\\\R\\\\E\\", "^~\\"),
        ("\\H\\loud\\N\\", "loud"),
        ("\\XC3A9\\", "é"),
        ("C:\\temp\\x", "C:\\temp\\x"),
        ("open \\F", "open \\F"),
        ("\\Zabc\\", "\\Zabc\\"),
        ("a\\.sp2\\b", "a\n\nb"),
    ],
)
def test_escape_sequences_become_what_they_stand_for(raw: str, text: str) -> None:
    assert er7.unescape(raw) == text


@pytest.mark.parametrize(
    "text", ["", "nothing", "PID|1", "MSH", "MSH|", "MSHaaa", "MSH|abc|", "MSH||A", "MSH|^~\\&#!|A"]
)
def test_what_has_no_usable_header_is_refused(text: str) -> None:
    with pytest.raises(BadStructure):
        er7.parse(text)


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="`PID` is not a path"):
        er7.parse(HEADER).value("PID")


@given(st.text(max_size=50).map(lambda text: text.replace("\r", "")))
def test_what_is_escaped_comes_back(text: str) -> None:
    assert er7.unescape(er7.escape(text)) == text.replace("\r\n", "\n")


@given(st.lists(SEGMENT, max_size=6))
def test_what_is_serialised_is_read_again(segments: list[str]) -> None:
    message = er7.parse(HEADER + "\r".join(segments))

    assert er7.parse(er7.serialise(message)) == message


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text: str) -> None:
    for message in (text, HEADER + text):
        try:
            parsed = er7.parse(message)
        except BadStructure:
            continue
        for segment in parsed.segments:
            for number in range(len(segment.fields)):
                segment.text(number, 2, 2)


@given(st.text(st.sampled_from("^~\\&|MSH#$%"), min_size=1, max_size=12))
def test_no_delimiters_break_the_parser(header: str) -> None:
    try:
        parsed = er7.parse("MSH" + header + "\rPID|a^b&c~d\\F\\")
    except BadStructure:
        return
    for segment in parsed.segments:
        for number in range(len(segment.fields)):
            segment.text(number, 2, 2)
            er7.escape(segment.raw(number), segment.delimiters)


def test_a_missing_escape_character_is_no_reason_to_stop() -> None:
    assert er7.escape("a|b\nc", Delimiters(escape="")) == "a|b c"


@pytest.mark.parametrize(
    ("declared", "text", "codec"),
    [
        ("8859/1", "Gößmann", "iso8859-1"),
        ("UNICODE UTF-8", "Håkansson", "utf-8"),
        ("", "Håkansson", "utf-8"),
        ("8859/5", "Иванов", "iso8859-5"),
        ("ISO IR87", "山田", "iso2022_jp"),
    ],
)
def test_a_message_is_read_in_the_character_set_that_it_declares(
    declared: str, text: str, codec: str
) -> None:
    raw = f"MSH|^~\\&|||||||||||||||{'|'}{declared}\rPID|{text}".encode(codec)

    found = charset.decode(raw, "cp1252")

    assert text in found.text
    assert found.finding == ""


def test_bytes_that_are_not_what_msh_18_says_are_read_all_the_same() -> None:
    found = charset.decode(b"MSH|^~\\&||||||||||||||||UNICODE UTF-8\rPID|G\xf6", "cp1252")

    assert found.text.endswith("Gö")
    assert found.finding == "MSH-18 does not fit; read as cp1252"


@given(st.binary(max_size=200))
def test_no_bytes_break_the_character_set(raw: bytes) -> None:
    charset.decode(raw, "cp1252")
    batch.split(raw)


def test_a_batch_is_its_messages() -> None:
    wrapped = b"FHS|^~\\&\rBHS|^~\\&|x\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rBTS|2\rFTS|1\r"

    assert batch.split(wrapped) == [b"MSH|^~\\&|1\rPID|1\r", b"MSH|^~\\&|2\r"]
    assert batch.split(b"rubbish") == [b"rubbish"]
    assert batch.split(b"\x0bMSH|1\x1c\r\x0bMSH|2\x1c\r") == [b"MSH|1", b"MSH|2"]
