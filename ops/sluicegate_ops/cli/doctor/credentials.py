"""What is wrong with the keys and secrets of an account, and with the account at the provider."""

import binascii
import os
from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from sluicegate.addresses import is_loopback
from sluicegate.config import Account, Config
from sluicegate.config.apis import TELNYX_V2
from sluicegate.errors import InvalidConfig
from sluicegate.safety import credential_hazard, unverified_hazard
from sluicegate_worker.provider.owned import Owned

from ..setup.drift import drifts
from .diagnosis import Diagnoses, Diagnosis, of_drift, of_hazard


def secret_findings(
    config: Config, name: str, environ: Mapping[str, str] = os.environ
) -> Diagnoses:
    """What can be said of keys and secrets without asking anybody."""
    account = config.account(name)
    if not account.known_api_key(environ):
        yield Diagnosis(
            "key_missing",
            f"no API key is set in {account.api_key_env}",
            "a worker started here would not start",
            f"set {account.api_key_env}, or {account.api_key_env}_FILE",
        )
    for hazard in (credential_hazard(name, account, environ), unverified_hazard(config)):
        if hazard is not None:
            yield of_hazard(hazard)
    if account.receipts and config.web.public_url:
        yield from _webhook_secrets(config, account, environ)


def _webhook_secrets(config: Config, account: Account, environ: Mapping[str, str]) -> Diagnoses:
    try:
        config.web.receipts_secret(environ)
    except InvalidConfig as error:
        yield Diagnosis(
            "receipts_secret",
            f"the secret for receipts' URLs can't be used: {error}",
            "workers and serve don't start without it",
            f"set {config.web.receipts_secret_env}: openssl rand -hex 32",
        )
    keys = account.public_keys(environ)
    if not keys and not account.webhook_secrets(environ):
        yield Diagnosis(
            "public_key_missing",
            f"nothing is set to check webhooks with: {account.webhook_key_env} is empty",
            "every receipt and STOP is refused",
            "sluicegate setup writes it; the portal shows it under API keys",
        )
    if not all(map(_is_public_key, keys)):
        yield Diagnosis(
            "public_key_malformed",
            f"{account.public_key_env} is no public key",
            "serve does not start",
            "copy it from the portal: 32 bytes in base64",
        )


def url_findings(config: Config, name: str) -> Diagnoses:
    """Where the provider is told to report to."""
    account, url = config.account(name), config.web.public_url
    if not account.receipts:
        return
    if not url:
        yield Diagnosis(
            "public_url_missing",
            "web.public_url is not set",
            "no message asks for a receipt, and no STOP is heard",
            "set it to the https address of the proxy in front of sluicegate serve",
        )
    elif account.base_url == TELNYX_V2.base_url and is_loopback(_host(url)):
        yield Diagnosis(
            "public_url_loopback",
            f"web.public_url is {url}, which is this host",
            "the provider can't reach it, so no receipt and no STOP comes",
            "set it to an address that can be reached from the internet",
        )


def owned_findings(
    config: Config, name: str, owned: Owned, environ: Mapping[str, str] = os.environ
) -> Diagnoses:
    """Where the account at the provider differs from the configuration."""
    account = config.account(name)
    url = config.web.public_url
    hook = f"{url}/receipts/{name}" if url and account.receipts else ""
    yield from map(of_drift, drifts(account, owned, hook, name))
    keys = account.public_keys(environ)
    if owned.public_key and keys and owned.public_key not in keys:
        yield Diagnosis(
            "public_key_other",
            f"{account.public_key_env} is not the provider's public key",
            "every receipt and STOP is refused as forged",
            "sluicegate setup writes the right one; restart serve with it",
        )
    if _is_spent(owned.balance):
        yield Diagnosis(
            "balance",
            f"the account's balance is {owned.balance} {owned.currency}",
            "the provider refuses to send (402), and the account is halted",
            "top it up in the portal",
        )


def _is_public_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == 32
    except binascii.Error:
        return False


def _is_spent(balance: str) -> bool:
    try:
        return Decimal(balance) <= 0
    except InvalidOperation:
        return False


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
