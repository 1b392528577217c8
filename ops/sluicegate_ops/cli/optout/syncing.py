"""``sluicegate optout sync``: what the provider lists as opted out, taken over."""

from contextlib import nullcontext

import typer

from sluicegate_worker.provider.optouts import ListRefused, OptOutPage
from sluicegate_worker.provider.registry import provider_of

from ...operating.session import Session
from ...operating.words import counted
from ..kit.acts import by_whom, note
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, FAILED, fail
from ..kit.options import AsJsonDocument, WhoOption, WhyOption
from ..kit.output import write_result
from ..kit.progress import Meter


@option_set
class SyncOptions:
    """The options of ``optout sync``."""

    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


class _Sums:
    """What became of the entries so far."""

    def __init__(self) -> None:
        self.listed = self.added = self.of_others = self.unreadable = 0


@command
def sync(session: Session, options: SyncOptions) -> None:
    """Add the numbers that the provider lists as opted out.

    They wrote STOP before Sluicegate heard it, or while it was away. Where the
    account has messaging_profiles, those of other profiles are left out. Nothing
    is removed, and a START lifts what it would lift at the provider.

    \b
    Example:
      sluicegate optout sync
    """
    account, read = session.account, provider_of(session.account).optouts
    if read is None:
        fail(f"API {account.api} has no list of opt-outs: name another account", BAD_INPUT)
    import httpx  # heavy, and no other command of the group needs it

    by = by_whom(options.who, options.why, needed=False)
    sums, key = _Sums(), account.api_key()
    timeout = httpx.Timeout(account.read_timeout_seconds, connect=account.connect_timeout_seconds)
    try:
        with httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client:
            pages = read(account, key, client, session.sleep)
            with Meter("opt-outs read", 0) if not options.json else nullcontext() as meter:
                for page in pages:
                    _take(session, page, sums, by.who, by.why)
                    if meter is not None:
                        meter.of(page.total).at(sums.listed, sums.listed)
    except ListRefused as error:
        taken = f"; {counted(sums.added, 'number')} added before" if sums.added else ""
        fail(f"the provider does not give its list: {error}{taken}. Try again")
    finally:
        if sums.added:
            note(session, by, "sync optouts", {}, sums.added)
    _tell(sums, as_json=options.json)


def _take(session: Session, page: OptOutPage, sums: _Sums, who: str, why: str) -> None:
    """Add a page's numbers."""
    profiles = session.account.messaging_profiles
    own = [
        entry
        for entry in page.optouts
        if not profiles or not entry.profile or entry.profile in profiles
    ]
    sums.listed += len(page.optouts) + page.unreadable
    sums.unreadable += page.unreadable
    sums.of_others += len(page.optouts) - len(own)
    if own:
        sums.added += session.sluice.optouts.add_from_provider(own, who, why)


def _tell(sums: _Sums, *, as_json: bool) -> None:
    known = sums.listed - sums.added - sums.of_others - sums.unreadable
    text = f"{counted(sums.added, 'number')} added, {known:,} known already"
    if sums.of_others:
        text += f", {sums.of_others:,} of other messaging profiles left out"
    if sums.unreadable:
        text += f", {sums.unreadable:,} not readable: the provider hides their numbers"
    result = {
        "listed": sums.listed,
        "added": sums.added,
        "known": known,
        "other_profiles": sums.of_others,
        "unreadable": sums.unreadable,
    }
    write_result(result, text, as_json=as_json)
    if sums.unreadable:
        raise typer.Exit(FAILED)
