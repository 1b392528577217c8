"""Everything in an account's Redis that names one number, wherever it stands."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from mmap import mmap
from typing import Any, NamedTuple

import redis

from sluicegate.keys import Keys

_PAGE = 500
_HASHES = ("members:", "ids:")  # numbers of another kind, millions of them


class Mention(NamedTuple):
    """One place: the ``key`` without the account's prefix, its type, and what of it names them.

    ``member`` is a hash's field, or the member or element itself; ``value`` a field's or a
    string's value. Of a message's record there is one mention, with no member.
    """

    key: str
    kind: str
    member: bytes = b""
    value: bytes = b""


class Mentions:
    """The mentions of ``number`` on a synchronous client; it reads every key of the account."""

    def __init__(self, client: redis.Redis, keys: Keys, number: str) -> None:
        self._client: Any = client
        self._keys, self._number = keys, number
        self.digits = number.removeprefix("+")
        self.names: Callable[[bytes | mmap], Any] = naming(self.digits).search

    def record(self, key: str) -> dict[str, str]:
        """The whole record at ``key``."""
        fields = self._client.hgetall(self._keys(key))
        return {name.decode(): value.decode(errors="replace") for name, value in fields.items()}

    def __iter__(self) -> Iterator[Mention]:
        names = self._client.scan_iter(match=f"{self._keys.prefix}*", count=_PAGE)
        while page := list(islice(names, _PAGE)):
            pipeline = self._client.pipeline(transaction=False)
            for name in page:
                pipeline.type(name)
            for name, kind in zip(page, pipeline.execute(), strict=True):
                key = name.decode().removeprefix(self._keys.prefix)
                if not key.startswith(_HASHES):
                    yield from self._in_key(key, kind.decode())

    def _in_key(self, key: str, kind: str) -> Iterator[Mention]:
        name = self._keys(key)
        if key.startswith("m:"):
            fields = self._client.hgetall(name)
            if self.names(b" ".join([key.encode(), *fields.values()])):
                yield Mention(key, kind)
        elif self.names(key.encode()):
            yield Mention(key, "string")
        else:
            for member, value in self._members(name, kind):
                if self.names(member) or self.names(value):
                    yield Mention(key, kind, member, value)

    def _members(self, name: str, kind: str) -> Iterator[tuple[bytes, bytes]]:
        """What a key holds, each with its value where it has one."""
        match kind:
            case "hash":
                yield from self._client.hscan_iter(name, count=_PAGE)
            case "list":
                yield from ((one, b"") for one in self._elements(name))
            case "set":
                yield from ((one, b"") for one in self._client.sscan_iter(name, count=_PAGE))
            case "zset":
                yield from ((one, b"") for one, _ in self._client.zscan_iter(name, count=_PAGE))
            case "stream":
                yield from self._entries(name)
            case "string":
                yield b"", self._client.get(name) or b""
            case _:  # gone meanwhile, or of a type that we never write
                return

    def _entries(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """A stream's entries, each by its id with all that it says."""
        after = "-"
        while page := self._client.xrange(name, after, count=_PAGE):
            for id, fields in page:
                yield id, b" ".join(fields.values())
            after = f"({page[-1][0].decode()}"

    def _elements(self, name: str) -> Iterator[bytes]:
        """A list's elements from its end, which stays where it is while workers take its head."""
        end = -1
        while page := self._client.lrange(name, end - _PAGE + 1, end):
            yield from reversed(page)
            end -= _PAGE


def naming(digits: str) -> re.Pattern[bytes]:
    """What finds a number's digits, and none that are part of a longer number."""
    return re.compile(rb"(?<!\d)%b(?!\d)" % digits.encode())
