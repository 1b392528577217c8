"""One Celery task for each message, with a shared client: the usual approach."""

from typing import Any

import httpx
from celery import Celery

from .task import HEADERS, MESSAGES_URL, REDIS_URL, TIMEOUT_SECONDS, encoded, parse_id, tls

app = Celery("peer", broker=REDIS_URL)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)

_clients: list[httpx.Client] = []


def _client() -> httpx.Client:
    """This process's client, created on first use, because forks must not share one."""
    if not _clients:
        _clients.append(httpx.Client(headers=HEADERS, timeout=TIMEOUT_SECONDS, verify=tls()))
    return _clients[0]


def _send(message: dict[str, Any]) -> None:
    answer = _client().post(MESSAGES_URL, content=encoded(message))
    answer.raise_for_status()
    parse_id(answer.content)


send = app.task(name="send")(_send)
