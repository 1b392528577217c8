"""The providers' APIs that an account may use, and what the configuration must know of each.

The worker's ``provider/registry.py`` adds the code to each row: its gateway and its webhooks. An
app that only enqueues needs no code, but it reads the same configuration, so the rows are here.
"""

from typing import Literal

import msgspec

Policy = Literal["", "resend", "hold", "drop"]
"""What to do with a message in doubt; ``""`` is the API's default."""


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """One API of a provider.

    ``name`` is what an account's ``api`` says. ``base_url`` and ``in_doubt`` (never ``""``) apply
    if the account does not set its own. ``secret`` is what the provider calls the account's
    credential, for errors. ``webhooks_signed_with`` says how webhooks are checked: with the key in
    ``public_key_env``, or with a secret, which is the account's credential unless
    ``v1_webhook_secret_env`` names another. ``subject_alone``: it sends an MMS of nothing but a
    subject.
    """

    name: str
    base_url: str
    in_doubt: Policy
    secret: str
    webhooks_signed_with: Literal["public_key", "secret"]
    subject_alone: bool = True


TELNYX_V2 = Api(
    name="v2",
    base_url="https://api.telnyx.com/v2",
    in_doubt="resend",
    secret="Telnyx API key",  # noqa: S106 - what it is called, not what it is
    webhooks_signed_with="public_key",
    subject_alone=False,
)
TELNYX_V1 = Api(
    name="v1",
    base_url="https://sms.telnyx.com",
    in_doubt="hold",  # the API has no idempotency keys: sending again may send twice
    secret="messaging profile's secret",  # noqa: S106 - what it is called, not what it is
    webhooks_signed_with="secret",
)

APIS: dict[str, Api] = {api.name: api for api in (TELNYX_V2, TELNYX_V1)}
"""Every API by its name. ``sluicegate_worker.provider.registry.register`` adds to it."""


def known_apis() -> str:
    """Return the names of all APIs, quoted, for an error's text."""
    return ", ".join(repr(name) for name in sorted(APIS))
