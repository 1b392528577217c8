"""What every peer does with a message, and where it finds server and provider."""

import json
import os
import ssl
from typing import Any

REDIS_URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
MESSAGES_URL = os.environ.get("BENCH_URL", "http://127.0.0.1:8025/v2") + "/messages"
HEADERS = {
    "Authorization": f"Bearer {os.environ.get('SLUICEGATE_TELNYX_API_KEY', '')}",
    "Content-Type": "application/json",
}
UNDER_WAY = 200
TIMEOUT_SECONDS = 30.0


def tls() -> ssl.SSLContext:
    """What trusts the stub."""
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


def encoded(message: dict[str, Any]) -> bytes:
    """The body of its POST."""
    return json.dumps(message).encode()


def understood(body: bytes) -> str:
    """The provider's id for the message."""
    return str(json.loads(body)["data"]["id"])
