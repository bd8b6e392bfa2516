"""How long a caller waits for the database.

https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import PyMongoError

from fhir_server.store.mongo import refusal
from kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S: Final = 20.0


def heard(future: asyncio.Future[Any]) -> None:
    """Take note of an outcome that nobody waits for any more, so that asyncio does not print it."""
    if not future.cancelled():
        future.exception()


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """Bound a wait for the database, and turn the driver's errors into refusals.

    A frozen database keeps its connections open and says nothing.

    Raises:
        Unavailable: the time is over; what was asked for may still happen.
        FhirError: what the driver's error means.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except PyMongoError as error:
        raise refusal(error) from error
    except TimeoutError:
        raise Unavailable(
            f"The database did not answer within {seconds:g} s. If this was a write, it is not"
            " known whether it was stored: look, or try again."
        ) from None
