"""Apps as tenants: what each may ask for, and how often, before anything is stored for it."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import redis.asyncio
from msgspec.structs import replace

from sluicegate.campaigns.prices import Prices
from sluicegate.caps import Caps
from sluicegate.client import AsyncSluice
from sluicegate.config import Account, App, Config
from sluicegate.config.apps import finds_older_ids
from sluicegate.declared import sender_of
from sluicegate.errors import BadFile, CapReached, InvalidConfig
from sluicegate.message import Message
from sluicegate.numbering import check_countries, library, region_of
from sluicegate.outbox import EnqueueResult
from sluicegate.rules import E164, SHORT_CODE

from .intake import Intake
from .limit_headers import LimitHeaders
from .problems import HttpProblem

_REFUSED: Final = {
    "per_second": ("10011", "Too many requests", "more than this app may send in a second"),
    "most_waiting": ("40318", "Message queue full", "as many of this app's messages wait as may"),
    "daily_messages": ("40333", "Daily limit reached", "this app's messages of the day are sent"),
    "daily_money": ("40333", "Daily limit reached", "this app's money of the day is spent"),
}


class RequestPace:
    """So many requests in any second, as one process sees them; None for any number."""

    def __init__(
        self, per_second: float | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._most = max(1, int(per_second)) if per_second else 0
        self._window = self._most / per_second if per_second else 0.0
        self._last = deque[float](maxlen=self._most)

    def wait_seconds(self) -> float:
        """0 where a request may come now, which then counts; else how long it has to wait."""
        if not self._most:
            return 0.0
        now = self._monotonic()
        if len(self._last) == self._most and (wait := self._last[0] + self._window - now) > 0:
            return min(wait, self._window)  # rounded, the sum may be a trace longer
        self._last.append(now)
        return 0.0


class Tenant:
    """One app: its outbox, and what it may ask for.

    ``older`` says whether it also finds what version 0.1 stored. Raises InvalidConfig, naming the
    setting, where its countries or its caps can't be held.
    """

    def __init__(self, config: Config, name: str, client: redis.asyncio.Redis) -> None:
        apps = config.web.apps
        self.name, self.settings = name, apps[name]
        self.account, self._account = apps[name].account, config.account(apps[name].account)
        self.older = finds_older_ids(apps, name)
        self.pace = RequestPace(self.settings.per_second)
        check_countries(f"web.apps.{name}.countries", self.settings.countries)
        caps = _caps(name, self.settings, self._account, older=self.older)
        self.sluice = AsyncSluice(config, account=self.account, app=name, caps=caps, client=client)
        self.intake = Intake(self.store)
        self.limit_headers = LimitHeaders(self.settings)
        dry = replace(caps, dry=True)
        self._rehearsal = AsyncSluice(
            config, account=self.account, app=name, caps=dry, client=client
        )
        self._price = caps.price or _price_if_known(name, self.settings, self._account)

    def admit(self) -> None:
        """Take one request into account; raises HttpProblem where it comes too soon."""
        if wait := self.pace.wait_seconds():
            raise beyond("per_second", wait, self.limit_headers.too_soon(wait))

    async def rehearse(self, messages: Sequence[Message]) -> list[EnqueueResult]:
        """What ``store`` would answer now; nothing is stored, and nothing counted."""
        return [result async for result in self._rehearsal.enqueue_many(messages)]

    def cost(self, message: Message) -> Mapping[str, str] | None:
        """What a valid message costs by the account's prices, as the provider writes it.

        None where no price is known.
        """
        if self._price is None:
            return None
        amount = self._price(message)
        return {"amount": f"{amount.normalize():f}", "currency": self._account.currency}

    async def store(self, messages: Sequence[Message]) -> list[EnqueueResult]:
        """Store messages as ``AsyncSluice.enqueue_many`` does; a cap refuses each by itself."""
        return [result async for result in self.sluice.enqueue_many(messages)]

    def check(self, message: Message, *, line: bool = False) -> None:
        """Check that the app may send this; raises HttpProblem.

        In a ``line`` of a bulk request everything is a field.
        """
        self.check_sender(message.sender, message.messaging_profile_id)
        if message.priority == "transactional" and self.settings.priority == "bulk":
            pointer = "/priority" if line else "/header/Sluicegate-Priority"
            raise _forbidden("10010", "Authorization failed", "ask for this priority", pointer)
        self.check_country(message.to)

    def check_sender(self, sender: str | None, profile: str | None) -> None:
        """Check that the app may send from this; raises HttpProblem."""
        if not self._may_send_from(sender, profile):
            pointer = "/messaging_profile_id" if sender is None else "/from"
            raise _forbidden("40305", "Invalid 'from' address", "send from this sender", pointer)

    def check_country(self, number: str, pointer: str = "/to") -> None:
        """Check that the app may send to this number; raises HttpProblem."""
        countries = self.settings.countries or self._account.countries
        if countries and (
            SHORT_CODE.match(number)  # of no country that we know
            or (E164.match(number) and region_of(number) not in countries)
        ):
            what = "send to this country"
            raise _forbidden("40309", "Invalid destination region", what, pointer)

    def _may_send_from(self, sender: str | None, profile: str | None) -> bool:
        """Whether both are declared, where any is; what is not there at all is refused later."""
        if sender is None and profile is None:
            return True
        account, own = self._account, self.settings.senders
        if own and (profile if sender is None else sender) not in own:
            return False
        if account.senders and not sender_of(account, sender, profile):
            return False
        if sender is None or profile is None or not account.senders:
            return True
        pools = {name for name, one in account.senders.items() if one.kind == "pool"}
        profiles = pools | set(account.messaging_profiles)
        return not profiles or profile in profiles


def beyond(cap: str, wait_seconds: float, headers: Mapping[str, str] = {}) -> HttpProblem:
    """The answer to an app that has reached a cap of its own."""
    code, title, detail = _REFUSED[cap]
    headers = {"retry-after": str(max(1, math.ceil(wait_seconds))), **headers}
    if cap.startswith("daily"):
        headers |= {"x-should-retry": "false"}  # the official SDK would ask again in a second
    said = f"Nothing was stored: {detail}."
    return HttpProblem(429, code, title, said, headers=headers, cause=cap)


def cap_problem(error: CapReached) -> HttpProblem:
    return beyond(error.cap, error.wait_ms / 1000)


def _forbidden(code: str, title: str, what: str, pointer: str) -> HttpProblem:
    """The same answer whether nobody may or only this app: what others may is not its business."""
    said = f"This app may not {what}."
    return HttpProblem(403, code, title, said, pointer, cause="forbidden")


def _caps(name: str, app: App, account: Account, *, older: bool) -> Caps:
    money = None if app.daily_money is None else Decimal(str(app.daily_money))
    return Caps(
        per_second=app.per_second,
        daily_messages=app.daily_messages,
        daily_money=money,
        most_waiting=app.most_waiting,
        price=None if money is None else _price(name, app, account),
        older=older,
        each=True,
    )


def _price_if_known(name: str, app: App, account: Account) -> Callable[[Message], Decimal] | None:
    """``_price``, for an app that has no cap in money and needs none."""
    if not account.price_list and not (account.price_per_segment and account.price_per_mms):
        return None
    try:
        return _price(name, app, account)
    except InvalidConfig:
        return None


def _price(name: str, app: App, account: Account) -> Callable[[Message], Decimal]:
    """What a message of the app costs; raises InvalidConfig unless each price is known."""
    where = f"web.apps.{name}.daily_money"
    try:
        library()
        prices = {"SMS": Prices(account, "SMS"), "MMS": Prices(account, "MMS")}
    except (BadFile, OSError, ModuleNotFoundError) as error:
        raise InvalidConfig(where, str(error)) from error
    for kind, listed in prices.items():
        for country in app.countries or ("",):
            if account.price_list and not listed.cost(country, 1, 1).listed:
                row = f"{country or '*'},{kind},..."
                reason = f"{account.price_list} has no price for it: add a row such as {row}"
                raise InvalidConfig(where, reason)

    def price(message: Message) -> Decimal:
        segments = message.segments.parts
        return prices[message.type].cost(region_of(message.to), 1, segments).cost

    return price
