"""Structured logs: JSON lines with constant event names and bound context, and no PHI.

Event names are `noun.verb`. Values are ids, codes, counts and durations; never names, dates of
birth, free text or message content, at any level. A test sends known PHI through each protocol and
finds none of it here.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger


def configure(level: str = "INFO", *, console: bool = False) -> None:
    """Send every log line to stderr: JSON, or coloured text when `console`."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(numeric, logging.WARNING), stream=sys.stderr, force=True)


def _to_stderr(*_: Any) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)  # as it is now: it may have been redirected


def get(name: str) -> FilteringBoundLogger:
    """Return a logger whose lines carry `source=name`."""
    logger: FilteringBoundLogger = structlog.get_logger(source=name)
    return logger


def _where(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's type and frames: its text may hold PHI."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()[1]
    if isinstance(info, tuple):
        info = info[1]
    if isinstance(info, BaseException):
        frames = traceback.extract_tb(info.__traceback__)
        event["exception"] = type(info).__qualname__
        event["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event
