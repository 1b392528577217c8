"""``sluicegate probe``: what the provider's rate headers say, found out with free calls."""

from pathlib import Path
from typing import Annotated

import typer

from ...operating.session import Session
from ..kit.command import command, option_set
from ..kit.failures import fail
from ..kit.files import refuse_existing
from ..kit.options import AsJsonDocument, Overwrite
from ..kit.output import write_document


@option_set
class ProbeOptions:
    """The options of ``probe``."""

    count: Annotated[
        int,
        typer.Option("--calls", metavar="N", min=1, max=1000, help="How many calls to make."),
    ] = 20
    interval_seconds: Annotated[
        float,
        typer.Option(metavar="S", min=0, max=3600, help="From the start of one call to the next."),
    ] = 0.2
    path: Annotated[
        str, typer.Option(metavar="PATH", help="What to GET; it must be free of charge.")
    ] = "/v2/balance"
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where anonymised samples are written; else build/probe.json."
        ),
    ] = None
    overwrite: Overwrite = False
    json: AsJsonDocument = False


@command
def probe(session: Session, options: ProbeOptions) -> None:
    """Find out your key's rate limits with free calls.

    It makes one GET after another, so nothing is sent and nothing is charged. It
    shows what the rate headers say, and what to set in sluicegate.toml. The
    samples hold no key, ids or addresses: you may put them into a bug report.
    If Redis can be reached, the answers are also read as the workers would.
    Exits with 1 if the provider refuses or does not answer.

    \b
    Example:
      sluicegate probe --calls 100 --interval-seconds 1
      sluicegate --account marketing probe --json
    """
    from .findings import findings  # these import httpx: it is heavy, and few commands need it
    from .rehearsal import rehearsed
    from .run import document, free_path, make_calls, request_for, save_samples
    from .screen import show_findings

    if options.out is not None:
        refuse_existing(options.out, options.overwrite)
    out = options.out or Path("build/probe.json")
    account, path = session.account, free_path(options.path)
    request = request_for(account, path)
    calls = make_calls(
        account, request, options.count, options.interval_seconds, quiet=options.json
    )
    conclusions = findings(calls, rehearsed(session, calls))
    save_samples(calls, out)
    if options.json:
        write_document(document(calls, conclusions, account))
    else:
        show_findings(conclusions, account)
        typer.echo(f"\nanonymised samples: {out}")
    if not any(200 <= status < 300 for status in conclusions.statuses):
        fail(f"no call succeeded; is {path} a path that answers GET?")
