"""What people write today: a loop with the official SDK, on the same simulator."""

import logging
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sluicegate.campaigns.recipients import Recipient

from ..deployment import API_KEY, Deployment
from .setting import SENDER

THREADS = 8
"""Enough to use the limit: one thread gets 12 answers of 80 ms a second."""

RECIPIENTS = 400


def sdk_loop(deployment: Deployment, recipients: Iterable[Recipient]) -> dict[str, Any] | None:
    """Send to ``recipients`` as such a loop does; return what was measured at the provider.

    None where the SDK is not installed: it is a development dependency.
    """
    try:
        import telnyx
    except ModuleNotFoundError:
        return None
    logging.getLogger("telnyx").setLevel(logging.ERROR)
    people = list(recipients)[:RECIPIENTS]
    deployment.reset_provider()
    errors: Counter[str] = Counter()

    def send(recipient: Recipient) -> None:
        try:
            client.messages.send(from_=SENDER, to=recipient.to, text=recipient.text)
        except telnyx.APIError as error:
            errors[type(error).__name__] += 1

    client = telnyx.Telnyx(api_key=API_KEY, base_url=deployment.url)
    with client, ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(send, people))
    report, received = deployment.provider("report"), deployment.provider("recipients")
    return {
        "recipients": len(people),
        "never_received": sum(person.to not in received for person in people),
        "received_twice": report["received_twice"],
        "responses_429": report["responses_429"],
        "errors": dict(errors),
    }
