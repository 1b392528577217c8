"""One Celery task for each message, with one shared client: how it is most often done."""

from typing import Any

import httpx
from celery import Celery

from .task import HEADERS, MESSAGES_URL, REDIS_URL, TIMEOUT_SECONDS, encoded, tls, understood

app = Celery("peer", broker=REDIS_URL)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)

_clients: list[httpx.Client] = []


def _client() -> httpx.Client:
    """This process's client, made on first use: a fork must not share it."""
    if not _clients:
        _clients.append(httpx.Client(headers=HEADERS, timeout=TIMEOUT_SECONDS, verify=tls()))
    return _clients[0]


def _send(message: dict[str, Any]) -> None:
    answer = _client().post(MESSAGES_URL, content=encoded(message))
    answer.raise_for_status()
    understood(answer.content)


send = app.task(name="send")(_send)
