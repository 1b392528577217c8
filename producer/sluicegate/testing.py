"""An outbox for an app's own tests: a ``Sluice`` on fakeredis, and what was enqueued on it.

def test_signup_sends_a_code():
    with outbox() as sluice:
        sign_up("+15551234567", sluice)
        [message] = enqueued(sluice)
        assert message.text.startswith("Your code")

As a fixture of pytest:

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
    """A ``Sluice`` whose Redis is a fake in this process; needs ``sluicegate[testing]``.

    Raises ModuleNotFoundError, naming the extra, where fakeredis is not installed.
    """
    try:
        import fakeredis
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("install it with: pip install 'sluicegate[testing]'") from error
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    with Sluice(config or Config(), client=client) as sluice:
        yield sluice


def enqueued(sluice: Sluice) -> list[Message]:
    """The messages waiting, in the order of their lanes, then those scheduled, soonest first.

    Transactional lanes come before bulk, lanes of one priority by sender, and within a lane comes
    first what was enqueued first. What was cancelled or suppressed is not among them.
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
