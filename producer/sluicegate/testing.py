"""A ``Sluice`` on fakeredis for an app's own tests, and the messages enqueued on it.

def test_signup_sends_a_code():
    with outbox() as sluice:
        sign_up("+15551234567", sluice)
        [message] = enqueued(sluice)
        assert message.text.startswith("Your code")

As a pytest fixture:

@pytest.fixture
def sluice():
    with outbox() as sluice:
        yield sluice
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client import Sluice
from .config import Config
from .message import Message, decode
from .stored import Ticket


@contextmanager
def outbox(config: Config | None = None) -> Iterator[Sluice]:
    """Give a ``Sluice`` whose Redis is a fake in this process; needs ``sluicegate[testing]``.

    Raises ModuleNotFoundError, which names the extra, if fakeredis is not installed.
    """
    try:
        import fakeredis
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "fakeredis is needed: pip install 'sluicegate[testing]'"
        ) from error
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    with Sluice(config or Config(), client=client) as sluice:
        yield sluice


def enqueued(sluice: Sluice) -> list[Message]:
    """Return the waiting messages by lane, then the scheduled ones, soonest first.

    Transactional lanes come before bulk ones, then lanes are ordered by type and sender; within a
    lane, the message enqueued first comes first. Cancelled and suppressed messages are left out.
    """
    redis: Any = sluice.client
    keys = sluice.keys
    lanes = [sorted(redis.scan_iter(match=f"{keys.lane(priority)}?:*")) for priority in "tb"]
    ids = [
        Ticket.short_of(ticket)
        for lane in itertools.chain(*lanes)
        for ticket in redis.lrange(lane, 0, -1)
    ]
    ids += redis.zrange(keys("due"), 0, -1)
    messages = []
    for id in map(bytes.decode, ids):
        content, state = redis.hmget(keys.record(id), "content", "state")
        if content is not None and state in (b"waiting", b"scheduled"):
            messages.append(decode(content, id))
    return messages
