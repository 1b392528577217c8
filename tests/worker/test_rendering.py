"""What a grant is to send: an app's own message, or a recipient rendered from its plan."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import redis.asyncio

from sluicegate.errors import BadValue, InvalidMessage, WrongRenderer
from sluicegate.message import Message, encode
from sluicegate_worker.rendering import GrantRenderer
from sluicegate_worker.wire import Grant
from support.bench import Bench
from support.messages import message, plan, recipient

JULY = plan()


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    made = Bench(valkey, limit=1000)
    made.enqueue(message(0))
    made.send()
    return made


@asynccontextmanager
async def contents_of(bench: Bench, url: str) -> AsyncIterator[GrantRenderer]:
    async with redis.asyncio.Redis.from_url(url) as client:
        yield GrantRenderer(client, bench.keys)


def read(bench: Bench, url: str, *grants: Grant, then: Callable[[], object] = lambda: None) -> Any:
    """The messages of ``grants`` by one worker; ``then`` happens after the first."""

    async def body() -> list[Message]:
        async with contents_of(bench, url) as contents:
            made = [await contents.message(grants[0])]
            then()
            return made + [await contents.message(grant) for grant in grants[1:]]

    return asyncio.run(body())


def blast(bench: Bench, count: int = 2) -> list[Grant]:
    bench.campaigns.create(JULY)
    bench.add("july", *[recipient(JULY, n, f'A|"{n}', "ü😀") for n in range(count)])
    bench.act("july", "start")
    return bench.claim_all(count)


def test_an_app_s_message_is_as_it_was_enqueued(bench: Bench, redis_url: str) -> None:
    sent = message(1, text="a.b|c", media_urls=("https://example.com/a.png",))
    bench.enqueue(sent)
    assert read(bench, redis_url, *bench.claim_all(1)) == [sent]


def test_a_recipient_s_is_rendered(bench: Bench, redis_url: str) -> None:
    grants = blast(bench)
    made = read(bench, redis_url, *grants)
    assert [(m.id, m.to, m.text) for m in made] == [
        (grant.id, f"+1415200000{n}", f'Hi A|"{n}, code ü😀') for n, grant in enumerate(grants)
    ]


def test_a_plan_is_read_once(bench: Bench, redis_url: str) -> None:
    grants = blast(bench)

    def forget() -> None:
        bench.store.hdel(bench.keys.campaign("july"), "plan")

    assert len(read(bench, redis_url, *grants, then=forget)) == 2


def test_a_plan_that_is_gone(bench: Bench, redis_url: str) -> None:
    grants = blast(bench)
    bench.store.delete(bench.keys.campaign("july"))
    with pytest.raises(InvalidMessage, match="its plan is gone"):
        read(bench, redis_url, grants[0])


def test_a_plan_that_something_else_renders(bench: Bench, redis_url: str) -> None:
    other = plan("august", renderer="other/9")
    bench.campaigns.create(other)
    bench.add("august", recipient(other, 1))
    bench.act("august", "start")
    with pytest.raises(WrongRenderer, match="of the version that the campaign began with"):
        read(bench, redis_url, *bench.claim_all(1))


def test_a_value_that_cannot_be_rendered(bench: Bench, redis_url: str) -> None:
    [grant] = blast(bench, 1)
    broken = Grant(grant.id, grant.token, 0, 0, 0, 0, 0, b'x|1|SMS||+14152000000|["","1"]', b"")
    with pytest.raises(BadValue):
        read(bench, redis_url, broken)


@pytest.mark.parametrize("values", ['["one"]', '["a","b","c"]', "[1,2]", "nothing", "", '["a","b'])
def test_a_ticket_that_is_damaged_is_an_invalid_message(
    bench: Bench, redis_url: str, values: str
) -> None:
    [grant] = blast(bench, 1)
    content = f"x|1|SMS||+14152000000|{values}".encode()
    broken = Grant(grant.id, grant.token, 0, 0, 0, 0, 0, content, b"")
    with pytest.raises(InvalidMessage):
        read(bench, redis_url, broken)


def test_a_recipient_that_was_edited_has_a_message_of_its_own(
    bench: Bench, redis_url: str
) -> None:
    [grant] = blast(bench, 1)
    made = message(1, text="Dear A", sender="+15550000099", priority="bulk")
    edited = Grant(grant.id, grant.token, 0, 0, 0, 0, 1, encode(made), b"")
    [sent] = read(bench, redis_url, edited)
    assert (sent.id, sent.text, sent.sender) == (grant.id, "Dear A", "+15550000099")


def test_each_version_of_a_text_is_read_once_and_stays_what_it_is(
    bench: Bench, redis_url: str
) -> None:
    first, second = blast(bench)
    bench.settle(first, "unused")
    bench.campaigns.revise("july", "Code {{ code }} for you")
    [again] = bench.claim_all(1)
    texts = [made.text for made in read(bench, redis_url, second, again, second)]
    assert texts == ['Hi A|"1, code ü😀', "Code ü😀 for you", 'Hi A|"1, code ü😀']
