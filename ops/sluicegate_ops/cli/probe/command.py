"""``python -m sluicegate_ops.cli.probe``: what the provider's rate headers say, asked for free."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import urljoin

import httpx
import typer

from sluicegate.config import Account
from sluicegate.errors import InvalidConfig
from sluicegate_worker.provider.registry import provider_of

from ..kit.failures import BAD_INPUT, complain, fail, say, status_of
from ..kit.output import Document, write_document
from ..kit.session import Session
from .advice import remarks, settings
from .calls import Call, Clock, calls
from .findings import Findings, findings
from .samples import save
from .screen import show_call, show_findings
from .skew import skew_of

_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
_KEY = re.compile(r"[!-~]+")
_CHARGED = ("number_lookup",)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def probe(
    account: Annotated[str, typer.Option(help="The account whose key is used.")] = "default",
    config: Annotated[
        str | None,
        typer.Option(help="Configuration file; else $SLUICEGATE_CONFIG, else ./sluicegate.toml."),
    ] = None,
    count: Annotated[
        int, typer.Option("--calls", min=1, max=1000, help="How many calls to make.")
    ] = 20,
    interval_seconds: Annotated[
        float, typer.Option(min=0, max=3600, help="From the beginning of a call to the next.")
    ] = 0.2,
    path: Annotated[str, typer.Option(help="What to GET; it must be free.")] = "/v2/balance",
    out: Annotated[Path, typer.Option(help="Where anonymised samples go.")] = Path(
        "build/probe.json"
    ),
    json: Document = False,
) -> None:
    """Make a few free calls with an account's key, and say what the rate headers tell.

    One call at a time, GET only, so nothing is sent and nothing is charged. The samples hold no
    key, no ids and no addresses: they may go into a bug report, or into a test. Exit status: 0
    done, 1 the provider refused or did not answer, 2 bad use.

    \b
    Example:
      python -m sluicegate_ops.cli.probe --calls 100 --interval-seconds 1
    """
    session = Session(account, config)
    try:
        chosen = session.account
        path = _path(path)
        request = _request(chosen, path)
    except InvalidConfig as error:
        complain(error, session)
        raise typer.Exit(status_of(error)) from error
    made = _made(chosen, request, count, interval_seconds, quiet=json)
    found = findings(made)
    _save(made, out)
    if json:
        write_document(_document(made, found, chosen))
    else:
        show_findings(found, chosen)
        typer.echo(f"\nanonymised samples: {out}")
    if not any(200 <= status < 300 for status in found.statuses):
        fail(f"no call was answered with success; is {path} a path that answers GET?")


def _path(text: str) -> str:
    """The path, where it is one that costs nothing; ``GET`` may stand before it."""
    method, _, path = text.strip().rpartition(" ")
    if method.strip().upper() not in ("", "GET"):
        fail(f"--path {text}: a probe only GETs, so that it sends nothing", BAD_INPUT)
    if not _PATH.fullmatch(path):
        fail(f"--path {text}: it must begin with one / and hold no spaces", BAD_INPUT)
    if any(name in path.split("/") for name in _CHARGED):
        fail(f"--path {text}: the provider charges for it; take /v2/balance", BAD_INPUT)
    return path


def _request(account: Account, path: str) -> httpx.Request:
    """The request that each call repeats. Raises InvalidConfig."""
    if not provider_of(account).rate_headers:
        reason = f"API {account.api} has no rate headers: choose another account with --account"
        raise InvalidConfig("api", reason)
    key = account.api_key()
    if not _KEY.fullmatch(key):
        raise InvalidConfig(account.api_key_env, "no API key has spaces or such characters in it")
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


def _made(
    account: Account, request: httpx.Request, count: int, interval_seconds: float, *, quiet: bool
) -> list[Call]:
    """Make the calls, showing them unless ``quiet``; Ctrl-C ends them, with what there is."""
    if not quiet:
        typer.echo(f"GET {request.url}, {count} calls, one at a time\n")
    made: list[Call] = []
    with httpx.Client() as client:
        try:
            for call in calls(client, request, count, interval_seconds, Clock()):
                made.append(call)
                if not quiet:
                    show_call(len(made), call)
                _go_on(call, account, request, first=len(made) == 1)
        except KeyboardInterrupt:
            if not made:
                raise
            say(f"stopped after {len(made)} of {count} calls")
    return made


def _go_on(call: Call, account: Account, request: httpx.Request, *, first: bool) -> None:
    """Fail where further calls would meet the same."""
    if call.status == 401:
        fail(
            f"401: {request.url.host} does not know this key. It is read from "
            f"{account.api_key_env}: put a valid one there"
        )
    if first and not call.status:
        fail(
            f"no answer from {request.url.host}: {call.problem}. Is base_url right, and the "
            "network there?"
        )


def _save(made: Iterable[Call], out: Path) -> None:
    try:
        save(list(made), out)
    except OSError as error:
        say(f"--out {out}: {error.strerror or error}; the samples are not kept")


def _document(made: list[Call], found: Findings, account: Account) -> dict[str, object]:
    shown = [
        {
            "status": call.status,
            "problem": call.problem,
            "took_ms": round(call.took_ms, 1),
            "skew": skew_of(call),
            "wait_seconds": call.wait_seconds,
            "headers": call.headers,
        }
        for call in made
    ]
    return {
        "calls": shown,
        "findings": found,
        "settings": settings(found, account),
        "remarks": remarks(found, account),
    }


if __name__ == "__main__":
    sys.exit(app(prog_name="python -m sluicegate_ops.cli.probe"))
