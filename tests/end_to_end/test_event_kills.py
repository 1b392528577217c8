"""``sluicegate serve`` is killed again and again while it passes events on: none is lost."""

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
import redis
from standardwebhooks import Webhook

from sluicegate import load_config
from sluicegate.keys import Keys
from sluicegate.levels import published
from sluicegate.scripts import Argument
from sluicegate_worker.queue import PUBLISH
from support.bench import Bench
from support.messages import message
from support.receipts import tell
from support.receiver import receiving

SECRET = "whsec_" + "A" * 43 + "="
TOKEN = "token-of-the-shop-0123"
KEYS = Keys("default")
TOML = """
[web.apps.shop]
token_env = "TOKEN_SHOP"
events = "own"
events_url = "{url}"
events_private = true
events_secret_env = "SHOP_EVENTS"
"""


def serve(folder: Path, redis_url: str) -> subprocess.Popen[bytes]:
    """A process of the server, once it listens."""
    environment = os.environ | {
        "SLUICEGATE_REDIS_URL": redis_url,
        "SHOP_EVENTS": SECRET,
        "TOKEN_SHOP": TOKEN,
    }
    command = [sys.executable, "-m", "sluicegate_ops.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"listening")
    return process


@pytest.mark.long
@pytest.mark.timeout(600)
def test_20_kills_of_serve_lose_no_event_and_keep_the_order_of_each_message(
    redis_url: str, valkey: redis.Redis, tmp_path: Path
) -> None:
    dice, kills = random.Random(7), 20
    with receiving(lambda n: 500 if n % 7 == 3 else 200) as receiver:
        (tmp_path / "sluicegate.toml").write_text(TOML.format(url=f"{receiver.url}/events"))
        config = load_config(tmp_path / "sluicegate.toml", {})
        bench = Bench(valkey, app="shop")
        bench.at(time.time() * 1000)
        fields = published(config.account("default"), config.web.apps)
        args: list[Argument] = [b"9", b"d", b"", b""]
        args += [part for field in fields.items() for part in field]
        bench.call(PUBLISH, args)
        number = 0
        for _ in range(kills):
            with serve(tmp_path, redis_url) as process:
                for _ in range(10):
                    bench.enqueue(message(number))
                    grant = bench.send()
                    tell(bench, grant.id)
                    bench.at(time.time() * 1000)
                    number += 1
                time.sleep(dice.random() * 0.6)
                process.kill()
        with serve(tmp_path, redis_url) as process:
            deadline = time.monotonic() + 300
            while time.monotonic() < deadline:
                given = int(valkey.hget(KEYS("event_readers"), "shop") or 0)
                if given == 2 * number and not valkey.hlen(KEYS("relays")):
                    break
                time.sleep(0.2)
            process.terminate()
        hooks = receiver.hooks(2 * number)
    steps, ids = defaultdict[str, list[int]](list), dict[str, bytes]()
    for place, hook in enumerate(hooks):
        if place % 7 == 3:
            continue  # was answered 500
        said = hook.json["data"]
        id = hook.headers["webhook-id"]
        assert ids.setdefault(id, hook.body) == hook.body, "a duplicate is the same, under its id"
        assert said["id"] == id
        known = steps[said["payload"]["id"]]
        if said["sluicegate"]["number"] not in known:
            known.append(said["sluicegate"]["number"])
    assert len(ids) == 2 * number
    assert len(steps) == number
    assert all(numbers == sorted(numbers) for numbers in steps.values())
    Webhook(SECRET).verify(hooks[-1].body, hooks[-1].headers)
