"""Guards as people write them: canaries, shares that pause a campaign, and whom to leave out.

500    1%                                              the size of a canary
failed > 5%    errors > 2% by code                     a share that pauses
failed code 40008 > 3%    opted_out > 1% by area of at least 200
carrier=T-Mobile    area=+1212    plan=gold            whom to leave out
"""

import math
import re
from typing import Final, cast

from ..errors import BadGuard
from ..stored import Canary, Guards, LeftOut, ShareGroup, ShareKind, ShareLimit
from ..times import parse_length
from .columns import variable
from .plan import Plan

LEAST: Final = 100
"""Of so many messages at least a share is one, unless its limit says otherwise."""

DELIVERED: Final = 0.95
WITHIN: Final = "10m"
_MOST_WITHIN_SECONDS: Final = 7 * 86_400

_NUMBER = r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,6})?)"
_PERCENT = re.compile(rf"{_NUMBER} ?%")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_SHARE = re.compile(
    r"(?P<kind>errors|failed|undelivered|opted_out)"
    r"(?: code (?P<code>[^\s,;|>]{1,40}))? ?> ?"
    rf"{_NUMBER} ?%"
    r"(?: by (?P<by>code|carrier|area))?"
    r"(?: of at least (?P<least>[1-9][0-9]{0,8}))?"
)
_CARRIERS: Final = {"tmobile": "t", "att": "a", "other": "o"}
_AREA = re.compile(r"\+[1-9][0-9]{0,6}")
SHARE_FORMS: Final = "failed > 5%, errors > 2% by code, or failed > 10% by carrier of at least 200"


def percent(what: str, text: str) -> float:
    """Read ``95%`` as 0.95; raises BadGuard unless it is above 0 and at most 100 %."""
    found = _PERCENT.fullmatch(text.strip())
    share = float(found["number"]) / 100 if found else 0.0
    if not 0 < share <= 1:
        raise BadGuard(what, text, "give a percentage above 0%, such as 95%")
    return share


def canary(size: str, delivered: str, within: str, recipients: int) -> Canary:
    """Read a canary of so many, or of a share of all ``recipients``, one at least.

    Raises BadGuard, also for a canary of everybody: then nothing would wait for it.
    """
    text = size.strip()
    if _COUNT.fullmatch(text):
        count = int(text)
    else:
        count = max(1, math.ceil(recipients * percent("canary", size) - 1e-9))
    if recipients and count >= recipients:
        raise BadGuard("canary", size, f"is all of the {recipients:,} recipients")
    seconds = parse_length(within)
    if seconds is None or not 1 <= seconds <= _MOST_WITHIN_SECONDS:
        raise BadGuard("within", within, "give a length of 1s to 7d, such as 10m")
    return Canary(
        size=count, share=percent("until-delivered", delivered), within_ms=int(seconds * 1000)
    )


def share_limit(text: str) -> ShareLimit:
    """Read a share that pauses; raises BadGuard."""
    found = _SHARE.fullmatch(" ".join(text.split()))
    if found is None:
        raise BadGuard("pause-if", text, f"write it as {SHARE_FORMS}")
    kind, share = cast("ShareKind", found["kind"]), float(found["number"]) / 100
    by, code = cast("ShareGroup", found["by"] or ""), found["code"] or ""
    if not 0 < share < 1:
        raise BadGuard("pause-if", text, "the share must be above 0% and below 100%")
    if code and by == "code":
        raise BadGuard("pause-if", text, "name a code, or look at each by code, not both")
    if kind == "opted_out" and (code or by in ("code", "carrier")):
        raise BadGuard("pause-if", text, "who opts out has no code and names no carrier")
    if kind == "errors" and by == "carrier":
        raise BadGuard("pause-if", text, "what the provider refuses names no carrier")
    return ShareLimit(kind=kind, share=share, least=int(found["least"] or LEAST), by=by, code=code)


def check_guards(guards: Guards, plan: Plan) -> None:
    """Raise BadGuard where a guard is none, or can't be told of a campaign of this plan."""
    one = guards.canary
    if one and not (one.size >= 1 and 0 < one.share <= 1 and one.within_ms >= 1):
        reason = "needs a size and a time of 1 or more, and a share above 0 and at most 1"
        raise BadGuard("canary", str(one.size), reason)
    for limit in guards.shares:
        if not (0 < limit.share < 1 and limit.least >= 1):
            reason = "needs a share above 0 and below 1, of at least 1"
            raise BadGuard("pause-if", limit.kind, reason)
    for what, most in (("messages", guards.max_messages), ("segments", guards.max_segments)):
        if most < 0:
            raise BadGuard(f"max-{what}", str(most), "must be above 0, or 0 for none")
    if plan.key_column and any(one.kind == "opted_out" for one in guards.shares):
        reason = f"who opted out is not known: recipients go by {plan.key_column}"
        raise BadGuard("pause-if", "opted_out", reason)


def left_out(text: str, plan: Plan) -> LeftOut:
    """Read a condition of ``--without``; raises BadGuard.

    A column that the plan keeps is taken first; ``carrier`` and ``area`` are what Sluicegate knows
    of a number.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise BadGuard("without", text, "write COLUMN=VALUE, carrier=NAME or area=+1212")
    column = variable(name)
    if column in plan.values:
        at = plan.values.index(column) + 1
        return LeftOut(kind="column", value=value, said=f"{column}={value}", at=at)
    if name == "carrier":
        letter = _CARRIERS.get(re.sub(r"[^a-z]", "", value.lower()))
        if letter is None:
            way = "or keep a column of carriers when you start the campaign: --keep COLUMN"
            raise BadGuard("without", text, f"is none of T-Mobile, AT&T and other; {way}")
        return LeftOut(kind="carrier", value=letter, said=f"carrier={value}")
    if name == "area":
        if not _AREA.fullmatch(value):
            raise BadGuard("without", text, "an area is +1212, +44 or more digits of a number")
        return LeftOut(kind="area", value=value, said=f"area={value}")
    kept = ", ".join(plan.values) or "none"
    raise BadGuard("without", text, f"the campaign keeps no such column; it keeps {kept}")
