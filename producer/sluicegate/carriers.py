"""Whose a number is, by the name of its carrier as the provider spells it.

Only two carriers count what a sender sends them: T-Mobile by the day, AT&T by the minute. So there
are four answers, and ``unknown`` wherever it is not certain that a name is neither of the two.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

Carrier = Literal["t_mobile", "att", "other", "unknown"]

CARRIERS: Final[tuple[Carrier, ...]] = ("t_mobile", "att", "other", "unknown")

CARRIER_NAMES: Final[Mapping[Carrier, str]] = {
    "t_mobile": "T-Mobile",
    "att": "AT&T",
    "other": "another carrier",
    "unknown": "unknown",
}
"""What people call them."""


class Spelling(NamedTuple):
    """Words that stand in a carrier's name, in lower case and without signs, and whose it is."""

    words: str
    carrier: Carrier
    source: str


_TELNYX = "examples in Telnyx's documentation"
_MERGED = "bought by T-Mobile"
_BOUGHT = "bought by AT&T"
_LICENSEE = "a company that holds numbers, in the North American numbering plan's tables"
_REGIONAL = "a network of its own, in the North American numbering plan's tables"
_CANADA = "a Canadian network"
_WHOLESALE = "numbers of internet telephony, which are on neither network"

SPELLINGS: Final = (
    Spelling("t mobile", "t_mobile", _TELNYX),
    Spelling("tmobile", "t_mobile", _TELNYX),
    Spelling("omnipoint", "t_mobile", _TELNYX),
    Spelling("powertel", "t_mobile", _LICENSEE),
    Spelling("voicestream", "t_mobile", "T-Mobile's name until 2002"),
    Spelling("suncom", "t_mobile", _MERGED),
    Spelling("iowa wireless", "t_mobile", _MERGED),
    Spelling("metropcs", "t_mobile", _MERGED),
    Spelling("metro pcs", "t_mobile", _MERGED),
    Spelling("sprint", "t_mobile", _MERGED),
    Spelling("nextel", "t_mobile", "bought by Sprint"),
    Spelling("virgin mobile usa", "t_mobile", "bought by Sprint"),
    Spelling("assurance wireless", "t_mobile", "a brand of T-Mobile's"),
    Spelling("mint mobile", "t_mobile", _MERGED),
    Spelling("ultra mobile", "t_mobile", _MERGED),
    Spelling("at t", "att", _LICENSEE),
    Spelling("at and t", "att", _LICENSEE),
    Spelling("att", "att", "routing tables of other providers"),
    Spelling("cingular", "att", _LICENSEE),
    Spelling("bellsouth mobility", "att", _BOUGHT),
    Spelling("cricket", "att", _BOUGHT),
    Spelling("leap wireless", "att", _BOUGHT),
    Spelling("aio wireless", "att", "a brand of AT&T's"),
    Spelling("firstnet", "att", "a brand of AT&T's"),
    Spelling("verizon", "other", _LICENSEE),
    Spelling("cellco", "other", _LICENSEE),
    Spelling("c spire", "other", _REGIONAL),
    Spelling("cellular south", "other", _REGIONAL),
    Spelling("cellcom", "other", _REGIONAL),
    Spelling("gci communication", "other", _REGIONAL),
    Spelling("appalachian wireless", "other", _REGIONAL),
    Spelling("east kentucky network", "other", _REGIONAL),
    Spelling("viaero", "other", _REGIONAL),
    Spelling("carolina west", "other", _REGIONAL),
    Spelling("union telephone", "other", _REGIONAL),
    Spelling("nex tech wireless", "other", _REGIONAL),
    Spelling("rogers", "other", _CANADA),
    Spelling("fido", "other", _CANADA),
    Spelling("bell mobility", "other", _CANADA),
    Spelling("bell canada", "other", _CANADA),
    Spelling("telus", "other", _CANADA),
    Spelling("koodo", "other", _CANADA),
    Spelling("freedom mobile", "other", _CANADA),
    Spelling("videotron", "other", _CANADA),
    Spelling("sasktel", "other", _CANADA),
    Spelling("telnyx", "other", _TELNYX),
    Spelling("bandwidth", "other", _WHOLESALE),
    Spelling("onvoy", "other", _WHOLESALE),
    Spelling("inteliquent", "other", _WHOLESALE),
    Spelling("level 3", "other", _WHOLESALE),
    Spelling("peerless network", "other", _WHOLESALE),
    Spelling("twilio", "other", _WHOLESALE),
    Spelling("vonage", "other", _WHOLESALE),
    Spelling("google voice", "other", _WHOLESALE),
)
"""In order: the first that stands in a name decides, so *Sprint Spectrum* is not Spectrum's.

Left out, and so unknown: whoever sells several networks under one name (TracFone, Google Fi,
Consumer Cellular, Boost), what was split between several (Alltel), US Cellular (which T-Mobile
takes over), and AT&T's landlines under older names.
"""

_word = re.compile(r"[a-z0-9]+")
_MOST_CHARS = 200


@lru_cache(maxsize=1024)
def carrier_of(name: str) -> Carrier:
    """Whose numbers a carrier's name stands for, whatever the name looks like."""
    words = f" {' '.join(_word.findall(name[:_MOST_CHARS].lower()))} "
    for spelling in SPELLINGS:
        if f" {spelling.words} " in words:
            return spelling.carrier
    return "unknown"
