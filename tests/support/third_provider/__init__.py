"""A provider that this package does not have: all that one has to bring, in one folder.

It shares nothing with Telnyx: its own header carries the credential and another one the message's
key, an acceptance is a 202 with a reference in a header, and an HMAC signs its webhooks.
"""

from sluicegate.config.apis import Api
from sluicegate_worker.provider.registry import ProviderApi

from .gateway import PigeonGateway
from .webhooks import webhook_readers

PIGEON = ProviderApi(
    api=Api(
        name="pigeon",
        base_url="https://api.pigeon.example",
        in_doubt="drop",
        secret="pigeon token",
        webhooks_signed_with="secret",
    ),
    gateway=PigeonGateway,
    webhooks=webhook_readers,
    rate_headers=False,
)
