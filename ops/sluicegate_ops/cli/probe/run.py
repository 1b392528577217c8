"""One run of the probe: its request, its calls, and what is kept of them."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin

import httpx
import typer

from sluicegate.config import Account
from sluicegate.errors import InvalidConfig
from sluicegate_worker.provider.registry import provider_of

from ..kit.failures import BAD_INPUT, fail, say
from .advice import remarks, settings
from .calls import Call, Clock, calls
from .findings import Findings
from .samples import save
from .screen import show_call
from .skew import skew_of

_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
_KEY = re.compile(r"[!-~]+")
_CHARGED = ("number_lookup",)


def free_path(text: str) -> str:
    """The path in ``text``, which may begin with ``GET``; ends the command if it may cost."""
    method, _, path = text.strip().rpartition(" ")
    if method.strip().upper() not in ("", "GET"):
        fail(f"--path {text}: a probe only uses GET, so that it sends nothing", BAD_INPUT)
    if not _PATH.fullmatch(path):
        fail(f"--path {text}: it must begin with one / and hold no spaces", BAD_INPUT)
    if any(name in path.split("/") for name in _CHARGED):
        fail(f"--path {text}: the provider charges for it; use /v2/balance", BAD_INPUT)
    return path


def request_for(account: Account, path: str) -> httpx.Request:
    """The request that each call repeats. Raises InvalidConfig."""
    if not provider_of(account).rate_headers:
        reason = f"API {account.api} has no rate headers: choose another account with --account"
        raise InvalidConfig("api", reason)
    key = account.api_key()
    if not _KEY.fullmatch(key):
        raise InvalidConfig(account.api_key_env, "an API key has no spaces or such characters")
    headers = {
        "Authorization": f"Bearer {key}",
        "Accept": "application/json",
        "User-Agent": "sluicegate",
    }
    timeout = httpx.Timeout(
        account.read_timeout_seconds, connect=account.connect_timeout_seconds
    ).as_dict()
    url = urljoin(account.base_url, path)
    return httpx.Request("GET", url, headers=headers, extensions={"timeout": timeout})


def make_calls(
    account: Account, request: httpx.Request, count: int, interval_seconds: float, *, quiet: bool
) -> list[Call]:
    """Make the calls, and show them unless ``quiet``; Ctrl-C ends them and keeps those made."""
    if not quiet:
        typer.echo(f"GET {request.url}, {count} calls, one at a time\n")
    done: list[Call] = []
    with httpx.Client() as client:
        try:
            for call in calls(client, request, count, interval_seconds, Clock()):
                done.append(call)
                if not quiet:
                    show_call(len(done), call)
                _check(call, account, request, first=len(done) == 1)
        except KeyboardInterrupt:
            if not done:
                raise
            say(f"stopped after {len(done)} of {count} calls")
    return done


def save_samples(done: Sequence[Call], out: Path) -> None:
    """Write the anonymised samples; a file that can't be written only costs a warning."""
    try:
        save(done, out)
    except OSError as error:
        say(f"--out {out}: {error.strerror or error}; the samples are not kept")


def document(done: Sequence[Call], findings: Findings, account: Account) -> dict[str, object]:
    """The calls and the findings, for a program."""
    shown = [
        {
            "status": call.status,
            "problem": call.problem,
            "took_ms": round(call.took_ms, 1),
            "skew": skew_of(call),
            "wait_seconds": call.wait_seconds,
            "headers": call.headers,
        }
        for call in done
    ]
    return {
        "calls": shown,
        "findings": findings,
        "settings": settings(findings, account),
        "remarks": remarks(findings, account),
    }


def _check(call: Call, account: Account, request: httpx.Request, *, first: bool) -> None:
    """End the command if further calls would fail in the same way."""
    if call.status == 401:
        fail(
            f"401: {request.url.host} does not know this key. It is read from "
            f"{account.api_key_env}: put a valid key there"
        )
    if first and not call.status:
        fail(f"no answer from {request.url.host}: {call.problem}. Check base_url and the network")
