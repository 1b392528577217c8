"""The gateway: one POST per message, with the token in a header of its own."""

import json
from collections.abc import Callable, Mapping

from sluicegate.config import Account
from sluicegate.message import Message
from sluicegate.webhook_urls import WebhookUrls
from sluicegate_worker.provider.exchange import Exchange, transport_of, webhooks_of
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Accepted, Doubt, ErrorAnswer, Outcome, decided
from sluicegate_worker.transport import Reply, Transport


class PigeonGateway:
    """See ``gateway.Gateway``."""

    def __init__(
        self,
        account: Account,
        token: str,
        transport: Transport | None = None,
        receipts: WebhookUrls | None = None,
    ) -> None:
        self._receipts = receipts
        self._exchange = Exchange(
            transport or transport_of(account),
            f"{account.base_url}/sms",
            {"X-Pigeon-Token": token},
            token,
            outcome_of,
        )

    def request(self, message: Message) -> bytes:
        callback, _ = webhooks_of(message, self._receipts)
        fields = {
            "originator": message.sender,
            "recipient": message.to,
            "content": message.text,
            "callback": callback,
        }
        return json.dumps(fields).encode()

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool], trace: Mapping[str, str] = {}
    ) -> Attempt:
        return await self._exchange.post(request, gate, {"X-Pigeon-Request": key, **trace})

    async def probe(self) -> bool:
        return True

    async def aclose(self) -> None:
        await self._exchange.aclose()


def outcome_of(reply: Reply) -> Outcome:
    """The outcome of an answer."""
    if reply.status != 202:
        return decided(ErrorAnswer(reply.status, title=reply.body.decode("utf-8", "replace")))
    reference = reply.headers.get("x-pigeon-reference")
    return Accepted(reference) if reference else Doubt("no reference in the answer", "unreadable")
