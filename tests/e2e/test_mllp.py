"""The MLLP listener on a real socket before a real MongoDB (HL7 v2.5.1 appendix C §C.4)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fhir_server.model import Context, Message
from fhir_server.service import FhirService
from hl7_listener import client, er7, mllp
from hl7_listener.server import serve
from kernel.errors import Unavailable
from kernel.settings import Hl7
from kernel.tasks import stop

SAMPLES = Path(__file__).resolve().parents[2] / ".." / "shared" / "hl7"
ADMIT = (
    "MSH|^~\\&|ADTAPP|HOSPA|HUB|HUB|20240301101500+0000||ADT^A04^ADT_A01|{control}|P|2.5.1|||{ask}\r"
    "PID|1||{patient}^^^HOSPA^MR||Quux^Zelda||19700101|F\r"
)


def admit(control: str, patient: str = "P1", ask: str = "") -> bytes:
    return ADMIT.format(control=control, patient=patient, ask=ask).encode()


def code_of(answer: bytes) -> str:
    return er7.parse(answer.decode()).value("MSA-1")


@dataclass(slots=True)
class Peer:
    """A connection that reads frames."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    decoder: mllp.FrameDecoder = field(default_factory=lambda: mllp.FrameDecoder(1 << 20))
    waiting: list[bytes] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> bytes:
        async with asyncio.timeout(20):
            while not self.waiting:
                data = await self.reader.read(65_536)
                if not data:
                    raise ConnectionError("closed")
                found = self.decoder.feed(data)
                self.waiting += [item.data for item in found if isinstance(item, mllp.Frame)]
        return self.waiting.pop(0)

    async def closed(self) -> bool:
        async with asyncio.timeout(20):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


Listen = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture
def listen(service: FhirService) -> Listen:
    @asynccontextmanager
    async def listening(door: FhirService = service, **settings: object) -> AsyncIterator[int]:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        wanted = Hl7.model_validate({"port": 0, **settings})
        task = asyncio.create_task(serve(door, wanted, lambda _, port: ready.set_result(port)))
        try:
            started: list[asyncio.Future[Any]] = [task, ready]
            await asyncio.wait(started, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            yield ready.result()
        finally:
            await stop(task)

    return listening


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def patients(service: FhirService, ctx: Context) -> int:
    return len(await service.find(ctx, "Patient", [], limit=1000))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_a_message_is_acknowledged_when_it_is_stored(
    listen: Listen, service: FhirService, ctx: Context
) -> None:
    async with listen() as port:
        answer = await client.send("127.0.0.1", port, admit("C1"), 20)

    assert code_of(answer) == "AA"
    assert await patients(service, ctx) == 1


async def test_pipelined_messages_are_answered_in_order(listen: Listen) -> None:
    async with listen() as port, connected(port) as peer:
        peer.send(b"".join(mllp.encode(admit(f"N{n}", f"P{n % 3}")) for n in range(100)))
        answers = [er7.parse((await peer.answer()).decode()) for _ in range(100)]

    assert [answer.value("MSA-2") for answer in answers] == [f"N{n}" for n in range(100)]
    assert {answer.value("MSA-1") for answer in answers} == {"AA"}


async def test_a_message_in_single_bytes_is_a_message(listen: Listen) -> None:
    async with listen() as port, connected(port) as peer:
        for byte in mllp.encode(admit("C1")):
            peer.send(bytes([byte]))
            await peer.writer.drain()

        assert code_of(await peer.answer()) == "AA"


async def test_an_end_without_cr_is_answered(listen: Listen) -> None:
    async with listen() as port, connected(port) as peer:
        peer.send(mllp.encode(admit("C1")).removesuffix(b"\r"))

        assert code_of(await peer.answer()) == "AA"


async def test_rubbish_is_answered_and_the_connection_stays(listen: Listen) -> None:
    async with listen() as port, connected(port) as peer:
        for sent, code in ((b"rubbish", "AR"), (b"", "AR"), (admit("C1"), "AA")):
            peer.send(b"junk" + mllp.encode(sent))

            assert code_of(await peer.answer()) == code


async def test_a_message_that_is_too_long_is_refused_and_the_connection_stays(
    listen: Listen, service: FhirService, ctx: Context
) -> None:
    async with listen(max_message_bytes=10_000) as port, connected(port) as peer:
        peer.send(mllp.encode(admit("BIG") + b"NTE|1||" + b"x" * 100_000))
        refused = er7.parse((await peer.answer()).decode())
        peer.send(mllp.encode(admit("C1")))

        assert (refused.value("MSA-1"), refused.value("MSA-2")) == ("AE", "BIG")
        assert refused.value("ERR-8") == "Message too long: 10000 bytes at most."
        assert code_of(await peer.answer()) == "AA"
    assert await patients(service, ctx) == 1


async def test_enhanced_mode_gets_what_it_asks_for(listen: Listen) -> None:
    async with listen() as port, connected(port) as peer:
        peer.send(mllp.encode(admit("C1", ask="AL|AL")))
        both = [code_of(await peer.answer()) for _ in range(2)]
        peer.send(mllp.encode(admit("C2", ask="NE|NE")) + mllp.encode(admit("C3", ask="AL|NE")))
        last = er7.parse((await peer.answer()).decode())

    assert both == ["CA", "AA"]
    assert (last.value("MSA-1"), last.value("MSA-2")) == ("CA", "C3")


async def test_an_acknowledgement_is_not_acknowledged(listen: Listen) -> None:
    ack = b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5.1\rMSA|AA|1\r"
    async with listen() as port, connected(port) as peer:
        peer.send(mllp.encode(ack) + mllp.encode(admit("C1")))

        assert er7.parse((await peer.answer()).decode()).value("MSA-2") == "C1"


async def test_a_peer_from_elsewhere_is_not_let_in(listen: Listen) -> None:
    async with listen(allowed_peers="192.0.2.0/24") as port, connected(port) as peer:
        assert await peer.closed()


async def test_one_peer_too_many_is_not_let_in_and_the_others_stay(listen: Listen) -> None:
    async with listen(max_connections=1) as port, connected(port) as first:
        first.send(mllp.encode(admit("C1")))
        assert code_of(await first.answer()) == "AA"

        async with connected(port) as second:
            assert await second.closed()
        first.send(mllp.encode(admit("C2")))
        assert code_of(await first.answer()) == "AA"


@pytest.mark.parametrize(
    "sent", [b"\x0bMSH|^~\\&|never ends", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" * 1000]
)
async def test_a_peer_that_sends_no_whole_message_is_let_go(listen: Listen, sent: bytes) -> None:
    async with listen(frame_timeout_s=0.2) as port, connected(port) as peer:
        peer.send(sent)

        assert await peer.closed()


async def test_a_silent_peer_may_stay_unless_the_settings_say_otherwise(listen: Listen) -> None:
    async with listen(idle_timeout_s=0.2) as port, connected(port) as peer:
        peer.send(mllp.encode(admit("C1")))
        assert code_of(await peer.answer()) == "AA"

        assert await peer.closed()


async def test_a_peer_that_says_goodbye_still_gets_its_answer(listen: Listen) -> None:
    async with listen() as port, connected(port) as peer:
        peer.send(mllp.encode(admit("C1")))
        peer.writer.write_eof()

        assert code_of(await peer.answer()) == "AA"
        assert await peer.closed()


class Broken:
    """A door whose database does not answer, or that has a fault."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def message(self, ctx: Context, id: str) -> Message | None:
        raise self._error

    async def keep(self, ctx: Context, message: Message) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unavailable("no primary"), "Temporarily unavailable"),
        (RuntimeError("a fault of ours"), "Application internal error"),
    ],
)
async def test_what_cannot_be_stored_is_never_acknowledged_as_accepted(
    listen: Listen, error: Exception, text: str
) -> None:
    async with listen(door=Broken(error)) as port, connected(port) as peer:
        peer.send(mllp.encode(admit("C1")) + mllp.encode(admit("C2")))
        answers = [er7.parse((await peer.answer()).decode()) for _ in range(2)]

    for answer in answers:
        assert (answer.value("MSA-1"), answer.value("ERR-3")) == ("AE", "207")
        assert answer.value("ERR-8").startswith(text)


async def test_mutated_messages_are_all_answered_on_one_connection(listen: Listen) -> None:
    source = random.Random(7)
    mutants = [_mutated(admit(f"M{n}", f"M{n}"), source) for n in range(200)]
    async with listen() as port, connected(port) as peer:
        for mutant in mutants:
            peer.send(mllp.encode(mutant))
        peer.send(mllp.encode(admit("LAST")))

        async def last() -> bool:
            answer = er7.parse((await peer.answer()).decode("utf-8", "replace"))
            assert answer.value("MSA-1") in {"AA", "AE", "AR"}
            return answer.value("MSA-2") == "LAST"

        await until(last)


def _mutated(message: bytes, source: random.Random) -> bytes:
    data = bytearray(message)
    for _ in range(source.randint(1, 8)):
        at = source.randrange(len(data))
        what = source.choice(
            [b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b"\x00", b"\xff", b'""', b"MSH"]
        )
        if source.random() < 0.5:
            data[at : at + source.randint(0, 12)] = what
        else:
            data[at:at] = what * source.randint(1, 4)
    return bytes(data)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["s023-two-frames.mllp", "s024-junk-between.mllp"])
async def test_a_sample_stream_is_two_messages(listen: Listen, name: str) -> None:
    file = SAMPLES / "cases" / name
    if not file.exists():
        pytest.skip("shared HL7 samples are not there")
    async with listen() as port, connected(port) as peer:
        peer.send(file.read_bytes())

        assert [code_of(await peer.answer()) for _ in range(2)] == ["AA", "AA"]


@pytest.mark.shared
async def test_inputs_that_broke_other_parsers_are_answered(listen: Listen) -> None:
    files = sorted((SAMPLES / "nhapi-badinputs").glob("*"))
    if not files:
        pytest.skip("shared HL7 samples are not there")
    async with listen() as port, connected(port) as peer:
        for number, file in enumerate(files):
            data = file.read_bytes().replace(b"\x0b", b"").replace(b"\x1c", b"")
            peer.send(mllp.encode(data))
            peer.send(mllp.encode(admit(f"OK{number}")))

            async def answered(wanted: str = f"OK{number}") -> bool:
                answer = er7.parse((await peer.answer()).decode("utf-8", "replace"))
                return answer.value("MSA-2") == wanted

            await until(answered)


async def test_nobody_there_is_said_so() -> None:
    with pytest.raises(Unavailable, match=r"No answer from `127\.0\.0\.1:1`"):
        await client.send("127.0.0.1", 1, b"x", 2)
