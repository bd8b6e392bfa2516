"""One message from bytes to its answer: parse, map, commit, and only then acknowledge.

HL7 v2.5.1 §2.9.2. AA means that the resources, their history and the message itself are durable.
A message that was applied is recognised when it is sent again, and answered as it was then. One that
was refused is tried again. Nothing that goes wrong here leaves the sender without an answer.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from fhir_server.model import EVERYTHING, Context, Message, Origin, Principal
from hl7_listener import ack, charset, er7
from hl7_listener.dispatcher import dispatch, event_of, shown
from hl7_listener.draft import Draft
from hl7_listener.faults import CONDITIONS, Fault, Refused
from hl7_listener.messagetype import Received
from hl7_listener.provenance import provenance
from hl7_listener.sender import Sender, sender_of
from kernel import clock, ids, log
from kernel.errors import BadStructure, Conflict, FhirError, PreconditionFailed, Unavailable

if TYPE_CHECKING:
    from fhir_server.service import FhirService
    from hl7_listener.messagetype import MessageType
    from kernel.clock import Clock
    from kernel.settings import Hl7

LOG = log.get("hl7_listener.intake")
ATTEMPTS: Final = 10
TIMEOUT_S: Final = 60.0
_UNAVAILABLE: Final = "Temporarily unavailable. Nothing was stored; send the message again."
_INTERNAL: Final = "Application internal error. The message is kept and can be replayed."


@dataclass(frozen=True, slots=True)
class Outcome:
    """`replies` are what the sender is sent; `answer` is AA, AE or AR whether it asked or not."""

    id: str
    code: str
    answer: bytes
    replies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of a message before its content is looked at; `message` None: unreadable."""

    id: str
    raw: bytes
    peer: str
    received: int
    codec: str
    message: er7.Message | None
    finding: str = ""

    @property
    def control(self) -> str:
        return self.message.header.text(10) if self.message else ""

    @property
    def kind(self) -> str:
        return shown(*event_of(self.message)) if self.message else "?"

    def context(self) -> Context:
        origin = Origin("hl7v2", self.peer, self.control[:200])
        return Context(Principal("hl7v2", EVERYTHING), origin)

    def kept(self, state: str, answer: bytes, reason: str = "") -> Message:
        header = self.message.header if self.message else None
        facts = {
            "sender": f"{header.text(3)}|{header.text(4)}" if header else "",
            "findings": self.finding,
        }
        return Message(
            id=self.id,
            protocol="hl7v2",
            peer=self.peer,
            control=self.control[:200],
            kind=self.kind,
            state="applied" if state == "applied" else "refused",
            received=self.received,
            raw=self.raw,
            reason=reason,
            answer=answer,
            facts={name: text for name, text in facts.items() if text},
        )


class Intake:
    """Takes messages in. `settings.time_zone` must be an IANA zone: ValueError otherwise."""

    def __init__(self, service: FhirService, settings: Hl7, now: Clock = clock.now) -> None:
        self._service = service
        self._settings = settings
        self._now = now
        try:
            self._zone = ZoneInfo(settings.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"`MEDFLOW_HL7__TIME_ZONE`: `{settings.time_zone}` is not an IANA time zone"
                " such as `Europe/Berlin`."
            ) from None

    async def receive(
        self, raw: bytes, peer: str, *, size: int = 0, replay: bool = False
    ) -> Outcome | None:
        """Return what is to be answered, or None for an acknowledgement: those are not answered.

        `size` is what was sent if `raw` is only its beginning. A `replay` maps again what was
        applied before.
        """
        try:
            envelope = self._open(raw, peer)
        except Exception:  # no byte sequence should get here, and none may end the connection
            LOG.exception("message.fail", peer=peer, bytes=len(raw))
            answer = ack.application(
                None, ack.Verdict("AE", [Fault("207", _INTERNAL)]), self._now()
            )
            return Outcome("", "AE", answer, (answer,))
        message = envelope.message
        if message is not None and event_of(message)[0] in {"ACK", "MCF"}:
            LOG.info("acknowledgement.ignore", message=envelope.id, peer=peer)
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._process(envelope, size, replay=replay)
        except Refused as refusal:
            return await self._refuse(envelope, refusal)
        except (Unavailable, TimeoutError) as error:
            LOG.warning("message.postpone", message=envelope.id, cause=type(error).__name__)
            return await self._refuse(envelope, Refused("AE", Fault("207", _UNAVAILABLE)))
        except FhirError as error:
            return await self._refuse(envelope, _as_refusal(error))
        except Exception:  # whatever went wrong, the sender is waiting for an answer
            LOG.exception("message.fail", message=envelope.id, kind=envelope.kind)
            return await self._refuse(envelope, Refused("AE", Fault("207", _INTERNAL)))

    def _open(self, raw: bytes, peer: str) -> Envelope:
        text = charset.decode(raw, self._settings.charset)
        try:
            message = er7.parse(text.text, text.codec)
        except BadStructure:
            message = None
        sender = sender_of(message, self._zone) if message else Sender()
        control = message.header.text(10) if message else ""
        digest = sha256(raw).hexdigest()
        id = ids.derived("hl7v2", sender.application, sender.facility, control, digest)
        return Envelope(id, raw, peer, self._now(), text.codec, message, text.finding)

    async def _process(self, envelope: Envelope, size: int, *, replay: bool) -> Outcome:
        if size > self._settings.max_message_bytes:
            text = f"Message too long: {self._settings.max_message_bytes} bytes at most."
            raise Refused("AE", Fault("207", text))
        if envelope.message is None:
            text = "Segment sequence error: the message must begin with MSH and usable delimiters."
            raise Refused("AR", Fault("100", text))
        kind = dispatch(envelope.message, self._settings)
        for attempt in range(ATTEMPTS):
            if not replay:
                known = await self._service.message(envelope.context(), envelope.id)
                if known is not None and known.state == "applied":
                    LOG.info("message.repeat", message=envelope.id, kind=envelope.kind)
                    return self._outcome(envelope, ack.Verdict("AA"), known.answer)
            try:
                return await self._apply(envelope, envelope.message, kind, again=attempt > 0)
            except (PreconditionFailed, Conflict):
                LOG.info("message.retry", message=envelope.id, attempt=attempt + 1)
                await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))
        raise Unavailable("Other messages change the same resources all the time. Try again.")

    async def _apply(
        self, envelope: Envelope, message: er7.Message, kind: MessageType, *, again: bool
    ) -> Outcome:
        ctx = envelope.context()
        draft = Draft(self._service, ctx, again=again)
        sender = sender_of(message, self._zone)
        await kind.draft(Received(message, sender, event_of(message)[1]), draft)
        targets = draft.references
        trail = (
            [provenance(envelope.id, envelope.kind, sender, targets, envelope.received)]
            if targets
            else []
        )
        outcome = self._outcome(envelope, ack.Verdict("AA"))
        applied = envelope.kept("applied", outcome.answer)
        await self._service.bundle(ctx, draft.transaction(*trail), message=applied)
        LOG.info(
            "message.apply",
            message=envelope.id,
            kind=envelope.kind,
            peer=envelope.peer,
            resources=len(targets),
            duration_ms=self._now() - envelope.received,
        )
        return outcome

    async def _refuse(self, envelope: Envelope, refusal: Refused) -> Outcome:
        outcome = self._outcome(envelope, ack.Verdict(refusal.answer, refusal.faults))
        LOG.warning(
            "message.refuse",
            message=envelope.id,
            kind=envelope.kind,
            peer=envelope.peer,
            answer=refusal.answer,
            conditions=[f"{fault.code} {fault.place}".strip() for fault in refusal.faults],
        )
        kept = envelope.kept("refused", outcome.answer, refusal.reason)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._keep(envelope, kept)
        except (FhirError, TimeoutError) as error:
            LOG.warning("message.lose", message=envelope.id, cause=type(error).__name__)
        except Exception:  # the refusal is told whether or not it could be kept
            LOG.exception("message.lose", message=envelope.id)
        return outcome

    async def _keep(self, envelope: Envelope, kept: Message) -> None:
        """Keep the refusal; a replay that fails does not hide that it was applied once."""
        known = await self._service.message(envelope.context(), envelope.id)
        if known is None or known.state != "applied":
            await self._service.keep(envelope.context(), kept)

    def _outcome(self, envelope: Envelope, verdict: ack.Verdict, told: bytes = b"") -> Outcome:
        message, at, codec = envelope.message, self._now(), envelope.codec
        if message is None:
            answer = ack.application(None, verdict, at)
            return Outcome(envelope.id, verdict.code, answer, (answer,))
        answer = told or ack.application(message.header, verdict, at, codec)
        enhanced = ack.enhanced(message)
        replies = ack.answers(message, verdict, at, codec) if enhanced else (answer,)
        return Outcome(envelope.id, verdict.code, answer, replies)


def _as_refusal(error: FhirError) -> Refused:
    """Return the refusal for what the service says; its sentences quote values, so they are kept."""
    places = dict.fromkeys(path for issue in error.issues for path in issue.expression)
    where = f" at {', '.join(list(places)[:5])}" if places else ""
    text = f"{CONDITIONS[error.hl7]}: what the message says is not valid in FHIR{where}."
    reason = " ".join(issue.diagnostics for issue in error.issues)
    return Refused("AE", Fault(error.hl7, text), reason=reason)
