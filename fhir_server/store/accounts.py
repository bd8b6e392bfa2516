"""Clients, users and access tokens.

https://www.rfc-editor.org/rfc/rfc6749

Secrets and tokens are 256 random bits, of which only the SHA-256 is stored; passwords are chosen by
people and stored as argon2id.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from argon2 import PasswordHasher
from pymongo.errors import DuplicateKeyError

from fhir_server.model import Principal
from fhir_server.store.patience import PATIENCE_S, patience
from kernel.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_server.store.mongo import Collections

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """A registered OAuth client; its secret is not among what can be read."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in."""

    name: str
    role: str
    patient: str | None = None
    practitioner: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """An issued access token; `expires` is its lifetime in seconds."""

    token: str
    scopes: tuple[str, ...]
    expires: int


class Accounts:
    """Who may ask for what."""

    def __init__(self, collections: Collections, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._clients = collections.clients
        self._users = collections.users
        self._tokens = collections.tokens

    async def add_client(
        self,
        name: str,
        scopes: Sequence[str],
        secret: bool = True,
        grants: Sequence[str] = ("client_credentials",),
    ) -> tuple[str, str]:
        """Register a client; return its id and its secret ("" for a public client)."""
        client_id = secrets.token_hex(12)
        made = secrets.token_urlsafe(32) if secret else ""
        await self._clients.insert_one(
            {
                "_id": client_id,
                "name": name,
                "scopes": list(scopes),
                "grants": list(grants),
                "secret": digest(made) if secret else None,
            }
        )
        return client_id, made

    async def list_clients(self) -> list[Client]:
        found = await self._clients.find(sort=[("_id", 1)]).to_list()
        return [_client(stored) for stored in found]

    async def authenticate(self, client_id: str, secret: str) -> Client | None:
        """Return the client if the secret is its own."""
        async with patience(self._patience_s):
            stored = await self._clients.find_one({"_id": client_id})
        # Compared in any case, so that the time taken does not tell whether the client exists.
        expected = (stored or {}).get("secret") or digest("")
        if not secrets.compare_digest(expected, digest(secret)) or not stored or not secret:
            return None
        return _client(stored)

    async def add_user(
        self,
        name: str,
        role: str,
        password: str,
        patient: str | None = None,
        practitioner: str | None = None,
    ) -> User:
        """Register a user.

        Raises:
            Conflict: the name is taken.
        """
        hashed = await asyncio.to_thread(PasswordHasher().hash, password)
        user = User(name, role, patient, practitioner)
        try:
            await self._users.insert_one(
                {
                    "_id": name,
                    "role": role,
                    "patient": patient,
                    "practitioner": practitioner,
                    "password": hashed,
                }
            )
        except DuplicateKeyError:
            raise Conflict(f"A user named `{name}` exists already.") from None
        return user

    async def list_users(self) -> list[User]:
        found = await self._users.find(sort=[("_id", 1)]).to_list()
        return [User(u["_id"], u["role"], u["patient"], u["practitioner"]) for u in found]

    async def issue(self, client: Client, scopes: Sequence[str], lifetime: int) -> Grant:
        """Make an access token for the client itself."""
        token = secrets.token_urlsafe(32)
        expires = datetime.now(UTC) + timedelta(seconds=lifetime)
        async with patience(self._patience_s):
            await self._tokens.insert_one(
                {
                    "_id": digest(token),
                    "client": client.client_id,
                    "scopes": list(scopes),
                    "expires": expires,
                }
            )
        return Grant(token, tuple(scopes), lifetime)

    async def principal(self, token: str) -> tuple[Principal, datetime] | None:
        """Return whom an access token speaks for and until when; None if it is not valid."""
        async with patience(self._patience_s):
            stored = await self._tokens.find_one({"_id": digest(token)})
        if stored is None or stored["expires"] <= datetime.now(UTC):
            return None
        scopes = tuple(stored["scopes"])
        return Principal(stored["client"], scopes, stored.get("patient")), stored["expires"]


def digest(secret: str) -> str:
    """Return the stored form of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _client(stored: Document) -> Client:
    return Client(stored["_id"], stored["name"], tuple(stored["scopes"]), tuple(stored["grants"]))
