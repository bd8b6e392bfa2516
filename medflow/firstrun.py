"""What a server needs before its first request: indexes, and somebody who may do something."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.errors import Unavailable
from medflow.embedded.process import CannotStart
from medflow.wiring import wire

if TYPE_CHECKING:
    from kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Demo:
    """The accounts of a first start; this is the only time that their secrets are known."""

    user: str
    password: str
    client_id: str
    client_secret: str


async def first_run(settings: Settings) -> Demo | None:
    """Make the database ready; return new accounts if there must be some and are none yet.

    Raises:
        CannotStart: the database does not answer.
    """
    try:
        async with wire(settings, ()) as parts:
            accounts = parts.accounts
            if settings.auth.mode != "builtin":
                return None
            if await accounts.list_users() or await accounts.list_clients():
                return None
            password = secrets.token_urlsafe(15)
            await accounts.add_user("admin", "admin", password)
            client_id, client_secret = await accounts.add_client(
                "demo", ("system/*.cruds",), secret=True, grants=("client_credentials",)
            )
            return Demo("admin", password, client_id, client_secret or "")
    except Unavailable as error:
        raise CannotStart(str(error)) from None
