"""Whether the public URL leads here: asked of ourselves, as the provider would."""

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from sluicegate.config import Config

from .diagnosis import Diagnoses, Diagnosis

EXPIRES_WITHIN_DAYS = 14
_SECONDS = 5.0
_OURS = {401: "10009", 404: "10005"}
"""What serve answers a webhook without a signature, or of an account that it does not know."""


class SelfAnswer(NamedTuple):
    """What the public URL answered, with our errors' ``code``; ``problem`` says why it did not."""

    status: int = 0
    code: str = ""
    problem: str = ""


def reach_findings(
    config: Config,
    name: str,
    ask: Callable[[str], SelfAnswer] | None = None,
    expiry: Callable[[str], datetime | None] | None = None,
) -> Diagnoses:
    """What stands between the provider and ``sluicegate serve``."""
    url = config.web.public_url
    if not url or not config.account(name).receipts:
        return
    answer = (ask or asked)(f"{url}/receipts/{name}")
    if answer.problem:
        yield Diagnosis(
            "public_url_unreachable",
            f"{url} can't be reached from here",
            answer.problem,
            "check DNS, the proxy, its certificate and that sluicegate serve runs; from inside "
            "some networks it is unreachable though the provider reaches it",
        )
    elif _OURS.get(answer.status) != answer.code:
        yield Diagnosis(
            "public_url_elsewhere",
            f"{url}/receipts/ does not lead to sluicegate serve",
            f"it answered HTTP {answer.status}, where serve would refuse a webhook without a "
            "signature",
            "pass /receipts/ on to serve in the proxy (docs/DEPLOYMENT.md)",
        )
    elif answer.status == 404:
        yield Diagnosis(
            "serve_configuration",
            f"the serve behind {url} takes no webhooks of account {name}",
            "it has another configuration, or no key to check them with",
            "start it with this configuration and the account's public key",
        )
    until = (expiry or certificate_until)(url)
    if until is not None:
        left = (until - datetime.now(UTC)).days
        if left < EXPIRES_WITHIN_DAYS:
            yield Diagnosis(
                "certificate",
                f"the certificate of {url} expires on {until:%Y-%m-%d}",
                f"in {left} days; then the provider's webhooks fail",
                "renew it, and look at why that does not happen by itself",
            )


def asked(url: str) -> SelfAnswer:
    """POST an empty webhook, which nobody records: it has no signature."""
    try:
        with httpx.Client(timeout=_SECONDS, follow_redirects=False, trust_env=False) as client:
            answer = client.post(url, content=b"{}")
    except httpx.HTTPError as error:
        return SelfAnswer(problem=f"{type(error).__name__}: {error}")
    try:
        code = str(answer.json()["errors"][0]["code"])
    except (ValueError, LookupError, TypeError):
        code = ""
    return SelfAnswer(answer.status_code, code)


def certificate_until(url: str) -> datetime | None:
    """When the certificate expires; None without TLS, or where it can't be had."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), _SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            told: Any = secure.getpeercert() or {}
    except OSError:
        return None  # unreachable, which is told already
    if not (text := told.get("notAfter")):
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)
