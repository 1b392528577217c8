"""``GET /v2/number_lookup/{number}``: what we ourselves know of a number, for whoever may ask.

The path is the provider's, and so is the shape; nothing is asked of the provider, and nothing is
billed. An app learns nothing of numbers that it may not send to.
"""

from typing import Any, Final

import msgspec
import redis
from starlette.requests import Request
from starlette.responses import Response

from sluicegate.carriers import CARRIER_NAMES
from sluicegate.deadlines import in_time
from sluicegate.keys import Keys
from sluicegate.numbering import kind_of, region_of
from sluicegate.redis_errors import translated
from sluicegate.rules import E164
from sluicegate.scripts import Script, Scripts

from .messages import STORE_SECONDS, why
from .problems import HttpProblem, unavailable
from .site import Site
from .turns import Turns

LOOKUP: Final = Script("sluicegate_ops.web.lookup")

_CARRIERS: Final = {b"t": CARRIER_NAMES["t_mobile"], b"a": CARRIER_NAMES["att"]}
"""Those that are told apart; of any other that is known, only that it is neither."""
_TYPES: Final = {"landline": "fixed line"}


class LookupRoute:
    """The endpoint for what is known of a number."""

    def __init__(self, site: Site, turns: Turns) -> None:
        self._site, self._turns = site, turns

    async def get(self, request: Request) -> Response:
        """Answer what is known: whether it has opted out, and its carrier and country."""
        caller = self._site.caller(request.headers)
        caller.admit()
        if not caller.settings.lookups:
            detail = "This app may not look numbers up."
            raise HttpProblem(403, "10010", "Authorization failed", detail)
        _check_asked(request)
        number = request.path_params["number"]
        if not E164.match(number):
            detail = "An E.164 number goes here: +, then 7 to 15 digits."
            raise HttpProblem(
                400, "10016", "Phone number must be in +E.164 format", detail, "/number"
            )
        caller.check_country(number, "/number")
        try:
            async with in_time(STORE_SECONDS), self._turns.of(caller.name):
                opted_out, carrier = await self._known(caller.account, number)
        except (redis.RedisError, TimeoutError) as error:
            cause = translated(error, ()) if isinstance(error, redis.RedisError) else error
            self._site.counts.note("not_read", caller.account, why(cause))
            raise unavailable("Redis did not answer; ask again.", 1) from None
        body = msgspec.json.encode({"data": _shown(number, bool(opted_out), carrier)})
        return Response(body, media_type="application/json")

    async def _known(self, account: str, number: str) -> tuple[int, bytes]:
        scripts = Scripts(self._site.client, Keys(account).prefix)
        opted_out, carrier = await scripts.acall(LOOKUP, [number])
        return opted_out, carrier


def _check_asked(request: Request) -> None:
    """The provider's other kinds of look-up would be answered with what we don't know."""
    for name, value in request.query_params.multi_items():
        if (name, value) != ("type", "carrier"):
            detail = "Only type=carrier is known here, or nothing."
            raise HttpProblem(400, "10015", "Bad Request", detail, f"/{name}"[:100])


def _shown(number: str, opted_out: bool, carrier: bytes) -> dict[str, Any]:
    country, kind = region_of(number), kind_of(number)
    name, line_type = _CARRIERS.get(carrier, ""), _TYPES.get(kind)
    return {
        "record_type": "number_lookup",
        "phone_number": number,
        "country_code": country if len(country) == 2 and country.isalpha() else None,
        "valid_number": kind != "unknown",
        "carrier": {"name": name, "type": line_type} if carrier or line_type else None,
        "opted_out": opted_out,
    }
