"""Who was ever imported into a campaign, and how their hashes are made.

A campaign's ids, tickets and sets of members hold a hash of each recipient's key, which is mostly
a phone number. There are few numbers, so whoever sees a bare hash can try them all. Hence a hash
is keyed: with a random key of the account's, which is made once and never leaves Redis and the
processes that import.

A campaign that was created before there was a key keeps its bare hashes to its end, or it would
send to its recipients again. The two sorts say how many sets they have in fields of different
names, so that an importer of an earlier version doesn't find a keyed campaign at all.
"""

import secrets
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import Any, Final, NamedTuple, cast

import redis
import redis.asyncio

from ..errors import LostHashKey, UnknownCampaign
from ..keys import Keys
from ..stored import Ticket, short_hash

HASH_KEY_BYTES: Final = 32
_HASH_BYTES: Final = 8
_CHECK_DIGITS: Final = 12


class Members(NamedTuple):
    """The members of a campaign: over how many sets they are spread, and their hashes' key.

    ``hash_of`` turns the bare hash that a file's reader makes into the one that is stored.
    """

    shards: int
    keyed: bool
    hash_of: Callable[[int], int]

    def stored(self, bare: int, ticket: bytes) -> tuple[int, bytes]:
        """What is stored of a recipient: the hash, and the ticket that begins with it."""
        hash = self.hash_of(bare)
        return hash, Ticket.renamed(ticket, short_hash(hash))


def keyed_hashing(key: bytes) -> Callable[[int], int]:
    """Return what keys the bare hash of a recipient, a signed 64-bit number as itself is."""
    fresh = blake2b(key=key, digest_size=_HASH_BYTES).copy  # a copy is quicker than a new one

    def hash_of(bare: int) -> int:
        hash = fresh()
        hash.update(bare.to_bytes(_HASH_BYTES, signed=True))
        return int.from_bytes(hash.digest(), signed=True)

    return hash_of


def hash_key(client: redis.Redis, keys: Keys) -> bytes:
    """Return the account's key of hashes; whoever comes first makes it."""
    store: Any = client
    if not store.exists(keys("hash_key")):
        store.set(keys("hash_key"), secrets.token_bytes(HASH_KEY_BYTES), nx=True)
    return bytes(store.get(keys("hash_key")))


async def ahash_key(client: redis.asyncio.Redis, keys: Keys) -> bytes:
    """``hash_key`` on an asynchronous client."""
    store: Any = client
    if not await store.exists(keys("hash_key")):
        await store.set(keys("hash_key"), secrets.token_bytes(HASH_KEY_BYTES), nx=True)
    return bytes(await store.get(keys("hash_key")))


async def aknown_hash_key(client: redis.asyncio.Redis, keys: Keys) -> bytes | None:
    """The account's key of hashes; None before there is one, and then nothing is hashed by it.

    It only reads, so it does for a server that is full.
    """
    store: Any = client
    return cast("bytes | None", await store.get(keys("hash_key")))


def check_of(key: bytes) -> str:
    """Return what a campaign remembers of the key, to notice that it is another one."""
    return sha256(key).hexdigest()[:_CHECK_DIGITS]


def read_members(client: redis.Redis, keys: Keys, campaign: str) -> Members:
    """Return a campaign's members, which never change.

    Raises UnknownCampaign, and LostHashKey where another key than the campaign's is there.
    """
    store: Any = client
    fields = ("shards", "keyed_shards", "hash_check")
    bare, keyed, check = store.hmget(keys.campaign(campaign), fields)
    if bare is not None:
        return Members(int(bare), keyed=False, hash_of=_itself)
    if keyed is None:
        raise UnknownCampaign(campaign)
    key = store.get(keys("hash_key"))
    if key is None or check_of(key) != check.decode():
        raise LostHashKey(campaign)
    return Members(int(keyed), keyed=True, hash_of=keyed_hashing(key))


def _itself(bare: int) -> int:
    return bare
