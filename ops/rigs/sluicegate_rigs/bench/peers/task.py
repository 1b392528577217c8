"""What every peer does with a message, and the addresses of the server and the provider."""

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
    """A context that trusts the stub's certificate."""
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


def encoded(message: dict[str, Any]) -> bytes:
    """The body of a message's POST."""
    return json.dumps(message).encode()


def parse_id(body: bytes) -> str:
    """Parse the answer as far as the provider's id for the message."""
    return str(json.loads(body)["data"]["id"])
