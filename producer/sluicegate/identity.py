"""Whose account this is, so that another deployment on the same Redis sends none of its messages.

The first worker, or the first ``sluicegate serve``, stores the deployment's name, the provider's
URL and the fingerprint of its API key. Whoever starts later with another of them is refused. A
person takes an account over, or adds a key while keys are changed, with ``sluicegate deployment``.

A fingerprint is a slow, salted hash of 64 bits: it tells whether two keys are the same, and is no
help to whoever reads it and tries to guess the key.
"""

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from hashlib import pbkdf2_hmac
from typing import Final, NamedTuple

import redis
import redis.asyncio

from .config import Config
from .errors import WrongDeployment
from .keys import Keys
from .redis_errors import translated
from .scripts import Argument, Script, Scripts

IDENTITY = Script("sluicegate.identity")

_ROUNDS: Final = 100_000  # some 30 ms for whoever has the key, and as much for each guess
_FINGERPRINT_BYTES: Final = 8


class Identity(NamedTuple):
    """Whose an account is, as Redis has it; ``""`` and no keys where nobody has said so yet.

    ``keys`` are the fingerprints of the API keys that may send, the latest last. ``obstacle`` is
    what kept another deployment from taking the account over, just now.
    """

    deployment: str
    base_url: str
    salt: str = ""
    keys: tuple[str, ...] = ()
    obstacle: str = ""

    @classmethod
    def parse(cls, answer: Sequence[bytes]) -> "Identity":
        deployment, base_url, salt, keys, obstacle = (text.decode() for text in answer)
        return cls(deployment, base_url, salt, tuple(keys.split()), obstacle)

    def check(self, account: str, other: "Identity") -> None:
        """Raise WrongDeployment where ``other``, a configuration's, differs from what is known."""
        if not self.deployment:
            return
        if (self.deployment, self.base_url) != (other.deployment, other.base_url):
            raise WrongDeployment(account, str(self), str(other))
        if self.keys and other.keys and other.keys[0] not in self.keys:
            known = f"the API key {' or '.join(self.keys)}"
            raise WrongDeployment(account, known, f"the API key {other.keys[0]}")

    def __str__(self) -> str:
        return f"the deployment {self.deployment} at {self.base_url}"


def fingerprint(key: str, salt: str) -> str:
    """Return 16 hexadecimal digits that stand for an API key; ``""`` for no key."""
    if not key:
        return ""
    whole = pbkdf2_hmac("sha256", key.encode(), salt.encode(), _ROUNDS)
    return whole[:_FINGERPRINT_BYTES].hex()


class Identities:
    """One account's identity, seen from a configuration and its environment.

    On an asynchronous client there is only ``aclaim``. Every call raises OutboxUnavailable if
    Redis doesn't answer.
    """

    def __init__(
        self,
        client: redis.Redis | redis.asyncio.Redis,
        config: Config,
        account: str,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._scripts = Scripts(client, Keys(account).prefix)
        self._account, settings = account, config.account(account)
        self._api_key = settings.known_api_key(environ)
        self._own = Identity(config.deployment, settings.base_url.rstrip("/"))

    def claim(self) -> None:
        """Store who we are where nobody has yet; raises WrongDeployment if somebody else has."""
        known = self._call("claim", *self._arguments(self._own))
        known.check(self._account, self._own)
        own = self.own(known.salt)
        self._call("claim", *self._arguments(own)).check(self._account, own)

    async def aclaim(self) -> None:
        """``claim`` on an asynchronous client; the slow hash leaves the event loop alone."""
        known = await self._acall("claim", *self._arguments(self._own))
        known.check(self._account, self._own)
        own = await asyncio.to_thread(self.own, known.salt)
        (await self._acall("claim", *self._arguments(own))).check(self._account, own)

    def check(self, *, with_key: bool) -> None:
        """Raise WrongDeployment if somebody else has stored who they are; stores nothing.

        Who only reads needs no key. Who writes may take the call for its own first one.
        """
        known = self._call("look", wrote=with_key)
        known.check(self._account, self.own(known.salt) if with_key else self._own)

    def look(self) -> Identity:
        """Return what is known."""
        return self._call("look", wrote=False)

    def adopt(self) -> tuple[Identity, Identity]:
        """Take the account over; return what was known before, and what is known now.

        Where only the API key is another, it is added to those that may send. Where the deployment
        or its URL is, the account must be at rest, or else ``obstacle`` says why nothing was done.
        """
        before = self.look()
        salt = before.salt or self._call("claim", *self._arguments(self._own)).salt
        return before, self._call("adopt", *self._arguments(self.own(salt)))

    def forget(self, key: str) -> Identity:
        """Let the API key with this fingerprint send no more; return what is known now."""
        return self._call("forget", key)

    def own(self, salt: str) -> Identity:
        """Who this configuration says that we are; without a salt, its key is left out."""
        key = fingerprint(self._api_key, salt) if salt else ""
        return self._own._replace(salt=salt, keys=(key,) if key else ())

    def _arguments(self, own: Identity) -> list[Argument]:
        return [own.deployment, own.base_url, secrets.token_hex(16), "".join(own.keys)]

    def _call(self, *args: Argument, wrote: bool = True) -> Identity:
        try:
            return Identity.parse(self._scripts.call(IDENTITY, args))
        except redis.RedisError as error:
            raise translated(error, (), wrote=wrote) from error

    async def _acall(self, *args: Argument) -> Identity:
        try:
            return Identity.parse(await self._scripts.acall(IDENTITY, args))
        except redis.RedisError as error:
            raise translated(error, ()) from error
