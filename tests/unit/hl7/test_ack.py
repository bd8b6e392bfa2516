"""Acknowledgements (HL7 v2.5.1 §2.9, §2.15.5, §2.15.8)."""

from __future__ import annotations

import pytest

from hl7_listener import ack, er7
from hl7_listener.ack import Verdict
from hl7_listener.faults import Fault
from hl7_listener.server import allowed, networks

AT = 1_709_287_200_000
SENT = "MSH|^~\\&|ADT|HOSPA|HUB|CITY|20240301||ADT^A01^ADT_A01|C1|P|{version}|||{accept}|{applied}||UNICODE UTF-8\r"
FAULT = Fault("103", "Table value not found: PID-8.", "PID", 1, 8)


def sent(version: str = "2.5.1", accept: str = "", applied: str = "") -> er7.Message:
    return er7.parse(SENT.format(version=version, accept=accept, applied=applied))


def answered(message: er7.Message, verdict: Verdict) -> list[er7.Message]:
    return [er7.parse(raw.decode()) for raw in ack.answers(message, verdict, AT, "utf-8")]


def test_an_acknowledgement_goes_back_where_the_message_came_from() -> None:
    [answer] = answered(sent(), Verdict("AA"))

    assert [answer.value(f"MSH-{n}") for n in (3, 4, 5, 6)] == ["HUB", "CITY", "ADT", "HOSPA"]
    assert answer.header.raw(9) == "ACK^A01^ACK"
    assert answer.value("MSH-7") == "20240301100000+0000"
    assert answer.value("MSH-12") == "2.5.1"
    assert answer.value("MSH-18") == "UNICODE UTF-8"
    assert (answer.value("MSA-1"), answer.value("MSA-2")) == ("AA", "C1")
    assert len(answer.value("MSH-10")) == 20


def test_a_fault_is_told_by_place_code_severity_and_text() -> None:
    [answer] = answered(sent(), Verdict("AE", [FAULT]))

    err = answer.segments[2]
    assert err.raw(2) == "PID^1^8"
    assert err.raw(3) == "103^Table value not found^HL70357"
    assert (err.raw(4), err.raw(8)) == ("E", "Table value not found: PID-8.")


def test_an_old_version_gets_the_old_form() -> None:
    [answer] = answered(sent("2.4"), Verdict("AE", [FAULT]))

    assert answer.segments[1].raw(3) == "Table value not found: PID-8."
    assert answer.segments[2].raw(1) == "PID^1^8^103&Table value not found&HL70357"


@pytest.mark.parametrize(
    ("accept", "applied", "code", "expected"),
    [
        ("", "", "AA", ["AA"]),
        ("AL", "NE", "AA", ["CA"]),
        ("AL", "AL", "AA", ["CA", "AA"]),
        ("NE", "AL", "AE", ["AE"]),
        ("ER", "NE", "AA", []),
        ("ER", "NE", "AR", ["CR"]),
        ("SU", "ER", "AE", ["AE"]),
        ("NE", "NE", "AE", []),
        ("what", "", "AA", ["AA"]),
    ],
)
def test_the_sender_gets_the_answers_that_it_asked_for(
    accept: str, applied: str, code: str, expected: list[str]
) -> None:
    found = answered(sent("2.5.1", accept, applied), Verdict(code))

    assert [answer.value("MSA-1") for answer in found] == expected


def test_what_is_echoed_cannot_add_a_segment() -> None:
    message = er7.parse("MSH|^~\\&|A|B|C|D|1||ADT^A01|x\x0b\x1cy" + "z" * 1000 + "|P|2.5.1\r")

    raw = ack.application(message.header, Verdict("AA"), AT)

    assert raw.count(b"\r") == 2
    assert not {0x0B, 0x1C, 0x0A} & set(raw)
    assert len(raw) < 1000


def test_without_a_header_the_answer_says_what_can_be_known() -> None:
    answer = er7.parse(ack.application(None, Verdict("AR", [Fault("100", "No MSH.")]), AT).decode())

    assert answer.value("MSH-9") == "ACK"
    assert (answer.value("MSA-1"), answer.value("MSA-2")) == ("AR", "")


def test_the_answer_is_written_in_the_senders_delimiters() -> None:
    message = er7.parse("MSH$%*!/$A$B$C$D$1$$ADT%A01$7$P$2.5.1\r")

    raw = ack.application(message.header, Verdict("AE", [FAULT]), AT)

    assert raw.startswith(b"MSH$%*!/$C$D$A$B$")
    assert er7.parse(raw.decode()).value("ERR-3.2") == "Table value not found"


def test_peers_are_let_in_by_network() -> None:
    among = networks("10.0.0.0/8, ::1/128")

    assert allowed("10.1.2.3", among)
    assert allowed("::ffff:10.1.2.3", among)
    assert not allowed("192.0.2.1", among)
    assert not allowed("", among)
    with pytest.raises(ValueError, match="`nonsense` is not a network"):
        networks("nonsense")
