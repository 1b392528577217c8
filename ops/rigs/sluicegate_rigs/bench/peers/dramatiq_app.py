"""One dramatiq message for each message."""

from importlib import import_module
from typing import Any

import httpx

from .task import HEADERS, MESSAGES_URL, REDIS_URL, TIMEOUT_SECONDS, encoded, parse_id, tls

# Imported by name: only the bench installs it, so a type checker may not find it.
_dramatiq: Any = import_module("dramatiq")
_broker = import_module("dramatiq.brokers.redis").RedisBroker(url=REDIS_URL)
_dramatiq.set_broker(_broker)

_clients: list[httpx.Client] = []


def _send(message: dict[str, Any]) -> None:
    if not _clients:
        _clients.append(httpx.Client(headers=HEADERS, timeout=TIMEOUT_SECONDS, verify=tls()))
    answer = _clients[0].post(MESSAGES_URL, content=encoded(message))
    answer.raise_for_status()
    parse_id(answer.content)


send = _dramatiq.actor(_send, actor_name="send")
