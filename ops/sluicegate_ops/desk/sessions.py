"""Who is logged in and how often a login may be tried: in Redis, for every ``serve``."""

import secrets
from hashlib import sha256
from typing import Final, NamedTuple

import redis

from sluicegate.config import Desk
from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts

SESSION = Script("sluicegate_ops.desk.session")
LOGIN = Script("sluicegate_ops.desk.login")

TRIES_SECONDS: Final = 900
"""For how long a login that failed counts."""

TRIES_OF_PAIR, TRIES_OF_ADDRESS, TRIES_OF_NAME = 5, 20, 100
"""Failed logins of one name from one address, from one address, and of one name.

The last lets a flood from everywhere not lock a person out at once, and guess little."""


class SessionFound(NamedTuple):
    """A session that is open: whose, and the token that its forms carry."""

    name: str
    forms: str


class Sessions:
    """The sessions of a deployment, on a synchronous client; a token is stored as its hash."""

    def __init__(self, client: redis.Redis, keys: Keys, desk: Desk) -> None:
        self._scripts, self._desk = Scripts(client, keys.prefix), desk

    def open(self, name: str) -> str:
        """Open one for a person; return its token."""
        token = secrets.token_urlsafe(32)
        ends: list[Argument] = [name, secrets.token_urlsafe(32), self._desk.session_seconds * 1000]
        self._scripts.call(SESSION, ["open", _hash(token), self._idle_ms, *ends])
        return token

    def read(self, token: str) -> SessionFound | None:
        """The session of a token, which goes on; None where it has ended."""
        found = self._scripts.call(SESSION, ["read", _hash(token), self._idle_ms])
        return SessionFound(*(one.decode() for one in found)) if found else None

    def end(self, token: str) -> None:
        """End it."""
        self._scripts.call(SESSION, ["end", _hash(token)])

    def may_try(self, name: str, address: str) -> bool:
        """Whether a login may be tried; it counts as failed until ``forget`` says otherwise."""
        return bool(self._scripts.call(LOGIN, ["try", TRIES_SECONDS * 1000, *_who(name, address)]))

    def forget(self, name: str, address: str) -> None:
        """It did not fail; what came from elsewhere under the name counts on."""
        pair = _who(name, address)[:2]
        self._scripts.call(LOGIN, ["forget", 0, *pair])

    @property
    def _idle_ms(self) -> float:
        return self._desk.idle_seconds * 1000


def _hash(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def _who(name: str, address: str) -> list[Argument]:
    """Whose failures are counted together, and how many each may have; names are stored hashed."""
    return [
        f"both:{_hash(f'{name} {address}')}", TRIES_OF_PAIR,
        f"address:{_hash(address)}", TRIES_OF_ADDRESS,
        f"name:{_hash(name)}", TRIES_OF_NAME,
    ]  # fmt: skip
