"""The demo's steps: a campaign, a worker killed half way, and everything added up."""

import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.table import Table

from sluicegate import Sluice
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate_ops.inspect import read_reconcile
from sluicegate_ops.operating.words import counted

from ..deployment import Deployment
from .display import console, display
from .sdk_loop import sdk_loop
from .setting import FILE, LIMIT_PER_SECOND, NAME, OPTED_OUT, SENDER, TEXT
from .standing import Standing

OUT = Path("build/demo.json")
REJECTED = Path("build/customers.rejected.csv")
TOO_LONG_SECONDS = 200.0
RECEIPTS_SECONDS = 10.0
QUIET_SECONDS = 3.0
POLL_SECONDS = 0.2
CLI = (sys.executable, "-m", "sluicegate_ops.cli")


def play(deployment: Deployment) -> dict[str, Any]:
    """Run the demo; return the sums, which are also written to build/demo.json."""
    OUT.parent.mkdir(exist_ok=True)
    console.print(
        f"[bold]Sluicegate demo[/]: {FILE} through a simulated Telnyx that allows "
        f"{LIMIT_PER_SECOND} requests/s, answers in\n80 ms, fails 1 in 70 and loses 1 answer in "
        "200 and 1 receipt in 100. Real Valkey,\ntwo real Celery workers.\n"
    )
    deployment.start_web()
    deployment.start_worker()
    deployment.start_worker()
    deployment.wait_for_workers()
    deployment.wait_for_web()
    command(deployment, "optout", "add", OPTED_OUT)
    began = time.monotonic()
    options = ("--from", SENDER, "--region", "US", "--rejects", str(REJECTED), "--yes")
    command(deployment, "campaign", "start", str(FILE), "--name", NAME, "--text", TEXT, *options)
    with deployment.sluice() as sluice:
        received_while_waiting = _watch(deployment, sluice)
        took_seconds = time.monotonic() - began
        lost = _await_receipts(deployment, sluice)
        command(deployment, "reconcile", fails=True)
        result = _result(deployment, sluice, received_while_waiting, took_seconds)
        result["bill"] = _bill(deployment, sluice, lost)
    command(deployment, "campaign", "status", NAME, "--verify")
    result["sdk_loop"] = _loop(deployment)
    OUT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def command(deployment: Deployment, *arguments: str, fails: bool = False) -> None:
    """Show and run a ``sluicegate`` command; raises CalledProcessError, unless it may fail."""
    shown = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    console.print(f"[bold]$ sluicegate {shown}[/]", highlight=False, soft_wrap=True)
    program = [*CLI, *arguments]
    subprocess.run(program, env=deployment.environ, check=not fails)  # noqa: S603 - our own command
    console.print()


def _watch(deployment: Deployment, sluice: Sluice) -> int:
    """Show progress until the campaign is finished; kill a worker half way.

    Returns how many requests the provider had received when no message waited any more.
    """
    received, ends = 0, time.monotonic() + TOO_LONG_SECONDS
    total = Standing(deployment, sluice).to_send
    with display(total) as show:
        while True:
            standing = Standing(deployment, sluice)
            show(standing)
            if standing.waiting > 0:
                received = standing.received["received"]
            if standing.accepted >= total // 2 and all(
                worker.alive for worker in deployment.workers
            ):
                _kill_one(deployment, standing)
            if standing.state == "finished" or standing.at > ends:
                console.print()
                return received
            time.sleep(POLL_SECONDS)


def _await_receipts(deployment: Deployment, sluice: Sluice) -> int:
    """Wait for the last receipts, which come within a few seconds; return how many never do."""
    unknown, quiet_since = -1, time.monotonic()
    ends = quiet_since + RECEIPTS_SECONDS
    while unknown and (now := time.monotonic()) < min(ends, quiet_since + QUIET_SECONDS):
        left = Standing(deployment, sluice).ledger.unknown
        unknown, quiet_since = left, quiet_since if left == unknown else now
        time.sleep(POLL_SECONDS)
    return max(0, unknown)


def _bill(deployment: Deployment, sluice: Sluice, lost: int) -> dict[str, Any]:
    """What the books came to, and what a second look finds, which changes nothing."""
    program = [*CLI, "reconcile", "--dry-run", "--json"]
    looked = subprocess.run(  # noqa: S603 - our own command
        program, env=deployment.environ, check=False, capture_output=True, text=True
    )
    found = json.loads(looked.stdout)
    mended = read_reconcile(sluice.client, sluice.keys).mended
    return {
        "agrees": found["agrees"],
        "billed": found["billed"],
        "booked": found["booked"],
        "difference": found["difference"],
        "by_the_provider": deployment.provider("costs")["billed"],
        "receipts_lost": lost,
        "mended": mended,
        "left": found["left"],
    }


def _kill_one(deployment: Deployment, standing: Standing) -> None:
    victim, other = deployment.workers
    victim.kill()
    console.print(
        f"[bold red]kill -9[/] {victim.name}, with {standing.under_way} POSTs in flight; "
        f"{other.name} goes on alone"
    )


def _result(
    deployment: Deployment, sluice: Sluice, received: int, seconds: float
) -> dict[str, Any]:
    standing = Standing(deployment, sluice)
    states, totals, provider = standing.ledger.states, standing.totals, standing.received
    rows = list(_rows())
    sendable = sum(isinstance(row, Recipient) for row in rows)
    return {
        "rows": len(rows),
        "rejected": len(rows) - sendable,
        "duplicates": sendable - standing.ledger.imported,
        "suppressed": states["suppressed"],
        "enqueued": standing.to_send,
        "accepted": states["accepted"],
        "dead": states["dead"],
        "in_doubt": states["in_doubt"],
        "cancelled": states["cancelled"],
        "deliveries": {**standing.ledger.deliveries, "unknown": standing.ledger.unknown},
        "resent_under_same_key": totals.get("resent", 0),
        "doubts_met": totals.get("in_doubt", 0),
        "accepted_by_provider": provider["accepted"],
        "received_twice": provider["received_twice"],
        "replayed_by_provider": provider["replayed"],
        "responses_429": provider["responses_429"],
        "faults": provider["faults"],
        "limit_per_second": LIMIT_PER_SECOND,
        "highest_in_window": provider["highest_in_window"],
        "rate_per_second": _rate(deployment, received),
        "kills": sum(not worker.alive for worker in deployment.workers),
        "seconds": round(seconds, 1),
    }


def is_proven(bill: dict[str, Any]) -> bool:
    """Whether three books are one: ours, the provider's records, and what it really billed."""
    one = Decimal(bill["booked"].get("USD", "0")) == Decimal(bill["by_the_provider"]["USD"])
    return bool(one and bill["agrees"] and {*bill["difference"].values()} == {"0.00"})


def _money(amounts: dict[str, str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in amounts.items())


def _rows() -> Recipients:
    plan = Plan(name=NAME, text=TEXT, to_column="Phone", sender=SENDER, region="US")
    return Recipients(plan, CsvFile(FILE))


def _rate(deployment: Deployment, received: int) -> float:
    """The provider's requests per second while messages were waiting."""
    arrivals = sorted(request[0] for request in deployment.provider("requests"))[:received]
    took: float = arrivals[-1] - arrivals[0]
    return round((len(arrivals) - 1) / took, 2)


def _loop(deployment: Deployment) -> dict[str, Any] | None:
    recipients = [row for row in _rows() if isinstance(row, Recipient)]
    return sdk_loop(deployment, {row.to: row for row in recipients}.values())


def tell(result: dict[str, Any]) -> bool:
    """Print the sums; True if they add up and no recipient got a message twice."""
    ends = ("rejected", "duplicates", "suppressed", "accepted", "dead", "in_doubt", "cancelled")
    adds_up = result["rows"] == sum(result[end] for end in ends)
    parts = " + ".join(
        f"{result[end]:,} {end.replace('_', ' ')}"
        for end in ends
        if result[end] or end not in ("in_doubt", "cancelled")
    )
    share = result["rate_per_second"] / result["limit_per_second"]
    table = Table(title="What happened to every row", title_justify="left", show_header=False)
    table.add_row(f"{result['rows']:,} rows", f"{'=' if adds_up else '≠'} {parts}")
    table.add_row(
        "the provider",
        f"accepted {result['accepted_by_provider']:,} messages, none twice"
        if result["received_twice"] == 0
        else f"accepted messages twice for {counted(result['received_twice'], 'recipient')}",
    )
    table.add_row(
        "rate",
        f"{result['rate_per_second']:.1f} of {result['limit_per_second']} requests/s allowed "
        f"({share:.0%}), {result['responses_429']} answers 429",
    )
    told = (f"{count:,} {word}" for word, count in result["deliveries"].items() if count)
    table.add_row("receipts", ", ".join(told))
    table.add_row(
        "in doubt",
        f"{result['doubts_met']} attempts ended without an answer; "
        f"{result['in_doubt']} are still in doubt",
    )
    table.add_row(
        "resends",
        f"{result['resent_under_same_key']} POSTs repeated such an attempt under the same\n"
        f"idempotency key; in {result['replayed_by_provider']} cases the provider already had\n"
        "the message, and sent it once",
    )
    table.add_row("killed", f"{result['kills']} worker (kill -9); {result['seconds']} s in all")
    bill, proven = result["bill"], is_proven(result["bill"])
    table.add_row(
        "the bill",
        f"{_money(bill['billed'])} by the provider's records, {_money(bill['booked'])} in our "
        f"books:\n{'difference' if proven else 'NOT PROVEN, difference'} "
        f"{_money(bill['difference'])}; {bill['receipts_lost']} lost receipts, filled in",
    )
    if loop := result["sdk_loop"]:
        table.add_row(
            "in comparison",
            f"a loop with the official SDK over {loop['recipients']} of these rows:\n"
            f"{loop['responses_429']} answers 429; "
            f"{counted(loop['received_twice'], 'recipient')} got it twice, "
            f"{loop['never_received']} never",
        )
    console.print(table)
    console.print(f"As JSON: {OUT}\nRejected rows, for you to correct: {REJECTED}")
    return bool(
        adds_up
        and proven
        and result["in_doubt"] == result["received_twice"] == 0
        and result["accepted"] == result["accepted_by_provider"]
    )
