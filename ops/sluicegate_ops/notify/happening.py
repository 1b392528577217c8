"""What is so now that people should be told: findings of ``status``, and finished campaigns."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

import msgspec

from ..inspect import AccountState, AwaitingApproval, EndedCampaign
from ..operating.pasting import pasted
from ..operating.status.finding import Finding
from ..operating.words import clean, counted, hidden

FINISHED = "finished"
_APPROVAL = "approval"

_TOLD_ANYWAY = frozenset(("halts", "breaker"))
"""Told even where they end by themselves: meanwhile nothing is sent."""

_ENDS_TOLD = frozenset(
    ("halts", "breaker", "no_worker", "server", "memory", "stalled", "serving", "hazards")
)
"""Of these people are told the end, too."""

_WHOLE = " (numbers are masked here; sluicegate status has them whole)"
_MOST = 600


class Happening(msgspec.Struct, frozen=True):
    """One thing: ``name`` is the same as long as it is the same thing.

    ``since_ms`` (wall) is when it began, 0 where that is not known; ``count`` grows where more of
    it comes. All texts are masked. ``ends`` if its end is told too.
    """

    name: str
    what: str
    why: str
    do: str
    person: bool = False
    since_ms: int = 0
    count: int = 1
    ends: bool = False


def happenings(
    state: AccountState,
    problems: Iterable[Finding],
    finished: Iterable[EndedCampaign],
    awaiting: Iterable[AwaitingApproval] = (),
    desk: str = "",
) -> list[Happening]:
    """All that people should be told of an account, masked or not.

    ``desk`` is the address at which people open its campaigns, "" for none.
    """
    counts = {
        "held": state.counts.held,
        "dead": state.counts.dead,
        "twice": state.twice,
        "reviews": state.reviewed,
    }
    waiting = (_of_approval(one, desk) for one in awaiting)
    found = [*_of_findings(problems, counts), *map(_of_campaign, finished), *waiting]
    return list({happening.name: happening for happening in found}.values())


def _of_findings(problems: Iterable[Finding], counts: Mapping[str, int]) -> Iterator[Happening]:
    for finding in problems:
        if not finding.person and finding.kind not in _TOLD_ANYWAY:
            continue
        yield Happening(
            name=f"{finding.kind} {finding.subject}",
            what=_said(finding.what),
            why=_said(finding.why),
            do=_done(finding.do),
            person=finding.person,
            since_ms=int(finding.since_ms),
            count=counts.get(finding.kind, 1),
            ends=finding.kind in _ENDS_TOLD,
        )


def _of_campaign(campaign: EndedCampaign) -> Happening:
    states, name = campaign.ledger.states, campaign.name
    ended = ("accepted", "dead", "cancelled", "expired", "suppressed", "purged")
    told = [f"{states[state]:,} {state}" for state in ended if states[state]]
    recipients = counted(campaign.ledger.imported, "recipient")
    return Happening(
        name=f"{FINISHED} {name}",
        what=f"campaign {name} is finished",
        why=f"{recipients}: {', '.join(told) or 'nobody was sent to'}",
        do=f"sluicegate campaign report {pasted(name)}",
        since_ms=int(campaign.ended_ms),
    )


def _of_approval(campaign: AwaitingApproval, desk: str) -> Happening:
    name, page = campaign.name, f"{desk}/{quote(campaign.name, safe='')}"
    by = f", made by {_said(campaign.changed_by)}" if campaign.changed_by else ""
    command = f"sluicegate campaign approve {pasted(name)}, by somebody else"
    return Happening(
        name=f"{_APPROVAL} {name}",
        what=f"campaign {name} waits for an approval",
        why=f"{counted(campaign.recipients, 'recipient')}{by}; nothing goes out before",
        do=f"{page} or {command}" if desk else command,
        person=True,
        count=campaign.recipients,
    )


def _said(text: str) -> str:
    text = hidden(clean(text))
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."


def _done(do: str) -> str:
    """The command; where a number in it is masked, it can't be typed as it is."""
    said = _said(do)
    return said if hidden(do) == do else said + _WHOLE
