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
from functools import partial
from hashlib import blake2b, sha256
from typing import Any, Final, NamedTuple, cast

import redis
import redis.asyncio

from ..errors import LostHashKey, UnknownCampaign
from ..keys import Keys
from ..stored import short_digest

HASH_KEY_BYTES: Final = 32
_HASH_BYTES: Final = 8
_CHECK_DIGITS: Final = 12


class Members(NamedTuple):
    """The members of a campaign: over how many sets they are spread, and their hashes' key.

    ``digest_of`` turns the bare hash that a file's reader makes into the one that is stored, each
    as its 8 bytes: of every row an import needs both the number and the text that they make.
    """

    shards: int
    keyed: bool
    digest_of: Callable[[bytes], bytes]

    def hash_of(self, bare: int) -> int:
        """The hash that is stored of a recipient, a signed 64-bit number as the bare one is."""
        return _hashed(self.digest_of, bare)

    def stored(self, bare: int, ticket_end: bytes) -> tuple[int, bytes]:
        """What is stored of a recipient: the hash, and the ticket that begins with it."""
        digest = self.digest_of(_digest(bare))
        return int.from_bytes(digest, signed=True), short_digest(digest) + ticket_end


def keyed_hashing(key: bytes) -> Callable[[int], int]:
    """Return what keys the bare hash of a recipient, a signed 64-bit number as itself is."""
    return partial(_hashed, _keyed_digests(key))


def _keyed_digests(key: bytes) -> Callable[[bytes], bytes]:
    fresh = blake2b(key=key, digest_size=_HASH_BYTES).copy  # a copy is quicker than a new one

    def digest_of(bare: bytes) -> bytes:
        hash = fresh()
        hash.update(bare)
        return hash.digest()

    return digest_of


def _hashed(digest_of: Callable[[bytes], bytes], bare: int) -> int:
    return int.from_bytes(digest_of(_digest(bare)), signed=True)


def _digest(hash: int) -> bytes:
    return hash.to_bytes(_HASH_BYTES, signed=True)


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
        return Members(int(bare), keyed=False, digest_of=_itself)
    if keyed is None:
        raise UnknownCampaign(campaign)
    key = store.get(keys("hash_key"))
    if key is None or check_of(key) != check.decode():
        raise LostHashKey(campaign)
    return Members(int(keyed), keyed=True, digest_of=_keyed_digests(key))


def _itself(bare: bytes) -> bytes:
    return bare
