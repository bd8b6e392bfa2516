"""The pipe to a worker process: JSON (RFC 8259) behind a length, then frames."""

from __future__ import annotations

import io
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_adapters import wire
from ai_adapters.adapter import Finding
from ai_adapters.process import asked
from ai_adapters.study import facts
from tests.unit.ai.samples import NODULE, PLAIN, study

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def split(message: bytes) -> bytes:
    (size,) = wire.LENGTH.unpack(message[: wire.LENGTH.size])
    body = message[wire.LENGTH.size :]
    assert len(body) == size
    return body


def through(answer: wire.Answer) -> tuple[Finding, ...]:
    return wire.findings(msgspec.json.decode(split(wire.message(answer)), type=wire.Answer))


def test_a_study_arrives_with_its_frames() -> None:
    frames = [np.arange(24, dtype=np.uint8).reshape(2, 4, 3), np.zeros((1, 1, 3), np.uint8)]
    sent = replace(facts(study()), frames=frames)

    head, *rest = wire.ask(sent)
    arrived = asked(split(head), io.BytesIO(b"".join(rest)))

    assert (arrived.id, arrived.instances) == (sent.id, sent.instances)
    assert [frame.tolist() for frame in arrived.frames] == [frame.tolist() for frame in frames]


@pytest.mark.parametrize(
    "frame", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), "<u2")]
)
def test_a_frame_of_another_shape_or_depth_is_not_sent(frame: np.ndarray) -> None:
    with pytest.raises(wire.Unfit, match=r"\(rows, columns, 3\) of uint8 is right\."):
        list(wire.ask(replace(facts(study()), frames=[frame])))


def test_findings_arrive_as_they_were_said() -> None:
    assert through(wire.said((NODULE, PLAIN))) == (NODULE, PLAIN)


@given(TEXT, st.none() | st.floats(0, 1))
def test_any_text_and_confidence_arrives(text: str, confidence: float | None) -> None:
    (arrived,) = through(wire.said((Finding(text, None, confidence),)))

    assert arrived == Finding(text.strip(), None, confidence)


@pytest.mark.parametrize(
    "finding",
    [
        Finding("x", None, 1.5),
        Finding("x", None, -0.1),
        Finding("x" * 30_000),
        Finding("x", {"system": "s", "code": " padded"}),
        Finding(""),
    ],
)
def test_what_is_no_finding_is_refused(finding: Finding) -> None:
    with pytest.raises(msgspec.ValidationError):
        through(wire.said((finding,)))


def test_a_finding_of_spaces_is_refused() -> None:
    with pytest.raises(wire.Unfit):
        through(wire.said((Finding(" \n"),)))


def test_too_many_findings_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        through(wire.said((PLAIN,) * (wire.MAX_FINDINGS + 1)))
