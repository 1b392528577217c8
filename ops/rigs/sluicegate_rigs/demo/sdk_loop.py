"""The usual alternative: a loop with the official SDK, on the same simulator."""

import logging
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sluicegate.campaigns.recipients import Recipient

from ..deployment import API_KEY, Deployment
from .setting import SENDER

THREADS = 8
"""Enough to reach the limit: one thread gets 12 answers per second, at 80 ms each."""

RECIPIENTS = 400


def sdk_loop(deployment: Deployment, recipients: Iterable[Recipient]) -> dict[str, Any] | None:
    """Send to ``recipients`` in such a loop; return what the provider measured.

    None if the SDK is not installed: it is a development dependency.
    """
    try:
        import telnyx
    except ModuleNotFoundError:
        return None
    logging.getLogger("telnyx").setLevel(logging.ERROR)
    chosen = list(recipients)[:RECIPIENTS]
    deployment.reset_provider()
    errors: Counter[str] = Counter()

    def send(recipient: Recipient) -> None:
        try:
            client.messages.send(from_=SENDER, to=recipient.to, text=recipient.text)
        except telnyx.APIError as error:
            errors[type(error).__name__] += 1

    client = telnyx.Telnyx(api_key=API_KEY, base_url=deployment.url)
    with client, ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(send, chosen))
    report, received = deployment.provider("report"), deployment.provider("recipients")
    return {
        "recipients": len(chosen),
        "never_received": sum(recipient.to not in received for recipient in chosen),
        "received_twice": report["received_twice"],
        "responses_429": report["responses_429"],
        "errors": dict(errors),
    }
