"""Where a configuration no longer fits what the account owns at the provider."""

from collections.abc import Iterator, Mapping

import msgspec

from sluicegate.config import Account, Sender
from sluicegate_worker.provider.owned import KnownCampaign, KnownNumber, KnownProfile, Owned

from .derived import daily_cap, derive, registration_of, spend_limit


class Drift(msgspec.Struct, frozen=True):
    """One thing that differs: which, why that matters, and what to do about it.

    ``kind`` is its name for programs.
    """

    kind: str
    what: str
    why: str
    do: str


_AGAIN = "run sluicegate setup again, which shows what it would change"


class _Comparison:
    def __init__(self, account: Account, owned: Owned, webhook_url: str, name: str) -> None:
        self._account, self._owned, self._url, self._name = account, owned, webhook_url, name
        self._numbers = {number.number: number for number in owned.numbers}
        self._profiles = {profile.id: profile for profile in owned.profiles}
        self._campaigns = {campaign.id: campaign for campaign in owned.campaigns}
        self._assigned = {one.number: one for one in owned.assignments}

    def drifts(self) -> Iterator[Drift]:
        for name, sender in self._account.senders.items():
            yield from (
                self._pool(name, sender) if sender.kind == "pool" else self._sender(name, sender)
            )
        yield from self._registrations()
        yield from self._listed_profiles()
        yield from self._undeclared()

    # -- senders

    def _sender(self, name: str, sender: Sender) -> Iterator[Drift]:
        if sender.kind == "alphanumeric":
            return
        number = self._numbers.get(name)
        if number is None:
            yield Drift(
                "sender_not_owned",
                f"sender {name} is not on the account",
                "the provider refuses its messages (40305), and the sender is halted",
                f"buy or move it in the portal, or {_AGAIN}",
            )
            return
        yield from self._profile_of(name, number)
        if number.kind == "long_code" and sender.kind in ("long_code", "10dlc"):
            yield from self._registered(name, number, sender)
        elif sender.kind != number.kind and number.kind != "other":
            yield Drift(
                "sender_kind",
                f"sender {name} is configured as {sender.kind} and is {number.kind}",
                "so it is sent from faster or more slowly than the provider allows",
                _AGAIN,
            )
        if not number.sms:
            yield Drift(
                "sms_not_enabled",
                f"sender {name} can't send SMS",
                "the provider refuses its messages",
                "enable SMS for it in the portal",
            )
        elif not number.mms and number.kind != "short_code":
            yield Drift(
                "mms_not_enabled",
                f"sender {name} can't send MMS",
                "an MMS from it is refused (40308), which halts its MMS",
                "enable MMS for it in the portal, or send pictures from another number",
            )
        if number.kind == "toll_free":
            yield from self._verified(name)

    def _profile_of(self, name: str, number: KnownNumber) -> Iterator[Drift]:
        profile = self._profiles.get(number.profile)
        if not number.profile or profile is None:
            yield Drift(
                "sender_without_profile",
                f"sender {name} is on no messaging profile",
                "the provider refuses its messages (40305)",
                "assign it to a messaging profile in the portal",
            )
        elif not profile.enabled:
            yield _disabled(f"messaging profile {profile.name}, of sender {name},")
        elif self._account.messaging_profiles and profile.id not in (
            self._account.messaging_profiles
        ):
            yield Drift(
                "sender_profile",
                f"sender {name} is on messaging profile {profile.id}, which is not configured",
                "a STOP that is written to it does not count for this account",
                f"add the profile to messaging_profiles, or {_AGAIN}",
            )

    def _verified(self, name: str) -> Iterator[Drift]:
        state = self._owned.verified.get(name, "")
        if "toll-free verification" in self._owned.unread or state.lower() == "verified":
            return
        yield Drift(
            "toll_free_unverified",
            f"toll-free number {name} is not verified ({state or 'no request'})",
            "carriers block what an unverified toll-free number sends",
            "have it verified in the portal",
        )

    def _registered(self, name: str, number: KnownNumber, sender: Sender) -> Iterator[Drift]:
        if "assignments" in self._owned.unread:
            return
        assignment = self._assigned.get(name)
        if assignment is None:
            if sender.kind == "10dlc" or number.country == "US":
                yield Drift(
                    "not_registered",
                    f"sender {name} is assigned to no 10DLC campaign",
                    "US carriers refuse its messages (40010)",
                    "assign it to a campaign in the portal",
                )
            return
        if assignment.status not in ("", "ASSIGNED"):
            yield Drift(
                "registration_pending",
                f"the assignment of sender {name} to its 10DLC campaign is {assignment.status}",
                "US carriers may refuse its messages until it is done",
                "look at it in the portal, and wait",
            )
        if sender.kind == "long_code":
            yield Drift(
                "sender_kind",
                f"sender {name} is configured as long_code and is registered for 10DLC",
                "so it is sent from at 0.1 segments a second, though its campaign allows more",
                _AGAIN,
            )

    def _pool(self, name: str, sender: Sender) -> Iterator[Drift]:
        profile = self._profiles.get(name)
        if profile is None:
            yield _gone(name)
            return
        if not profile.enabled:
            yield _disabled(f"messaging profile {profile.name}, a pool,")
        if not profile.pool:
            yield Drift(
                "pool_off",
                f"messaging profile {profile.name} is no number pool any more",
                "the provider refuses messages that name no sender",
                "switch its number pool on in the portal, or name senders",
            )
        count = sum(
            number.profile == name and number.kind != "short_code"
            for number in self._owned.numbers
        )
        if count != (sender.numbers or 1):
            yield Drift(
                "pool_size",
                f"pool {profile.name} has {count} numbers, and {sender.numbers or 1} configured",
                "so it is sent from faster or more slowly than its numbers allow",
                _AGAIN,
            )

    # -- registrations and brands

    def _registrations(self) -> Iterator[Drift]:
        """Each campaign against the registration of its senders, however that is called."""
        seen: dict[tuple[str, str], KnownCampaign] = {}
        for name, sender in self._account.senders.items():
            numbers = [name] if sender.kind != "pool" else self._numbers_of(name)
            for number in numbers:
                assignment = self._assigned.get(number)
                campaign = self._campaigns.get(assignment.campaign) if assignment else None
                if campaign is not None and sender.registration:
                    seen.setdefault((sender.registration, campaign.id), campaign)
        names = [name for name, _ in seen]
        for (name, _), campaign in seen.items():
            if names.count(name) > 1:
                yield Drift(
                    "several_campaigns",
                    f"registration {name} stands for several 10DLC campaigns, {campaign.id} too",
                    "AT&T limits each of them by itself",
                    _AGAIN,
                )
            yield from self._registration(name, campaign)

    def _numbers_of(self, profile: str) -> list[str]:
        return [number.number for number in self._owned.numbers if number.profile == profile]

    def _registration(self, name: str, campaign: KnownCampaign) -> Iterator[Drift]:
        if campaign.suspended:
            yield Drift(
                "campaign_suspended",
                f"10DLC campaign {campaign.id}, of registration {name}, is {campaign.suspended}",
                "carriers refuse what its numbers send",
                "clear it with the registry in the portal; until then halt registration:" + name,
            )
        known = self._account.registrations.get(name)
        if known is None:
            return
        told = registration_of(campaign)
        if campaign.att_class and known.carrier_class not in (None, campaign.att_class):
            yield Drift(
                "att_class",
                f"AT&T has registration {name} in class {campaign.att_class}, "
                f"and {known.carrier_class} is configured",
                "so it is sent faster or more slowly than AT&T allows",
                _AGAIN,
            )
        elif told.per_minute != (0.0, 0.0) and known.per_minute != told.per_minute:
            rates = " and ".join(f"{rate:g}" for rate in told.per_minute)
            here = " and ".join(f"{rate:g}" for rate in known.per_minute)
            yield Drift(
                "att_rates",
                f"AT&T allows registration {name} {rates} SMS and MMS a minute, "
                f"and {here} are configured",
                "so it is sent faster or more slowly than AT&T allows",
                _AGAIN,
            )
        yield from self._brand(name, known.brand, campaign)

    def _brand(self, name: str, brand: str, campaign: KnownCampaign) -> Iterator[Drift]:
        cap, known = daily_cap(campaign), self._account.brands.get(brand)
        if cap is None or (known is not None and known.tmobile_daily == cap):
            return
        here = f"{known.tmobile_daily:,} is" if known else "none is"
        yield Drift(
            "tmobile_cap",
            f"T-Mobile takes {cap:,} segments a day of registration {name}'s brand, "
            f"and {here} configured",
            "beyond its cap T-Mobile refuses messages until midnight, and they are billed (40016)",
            _AGAIN,
        )

    # -- profiles

    def _listed_profiles(self) -> Iterator[Drift]:
        pools = {name for name, sender in self._account.senders.items() if sender.kind == "pool"}
        for id in self._account.messaging_profiles:
            profile = self._profiles.get(id)
            if profile is None:
                if id not in pools:
                    yield _gone(id)
                continue
            if not profile.enabled and id not in pools:
                yield _disabled(f"messaging profile {profile.name}")
            yield from self._webhooks(profile)
        yield from self._countries()
        yield from self._spending()

    def _webhooks(self, profile: KnownProfile) -> Iterator[Drift]:
        if not self._url:
            return
        point = f"sluicegate --account {self._name} profile set-webhook {profile.id}"
        if profile.webhook_url != self._url:
            yield Drift(
                "webhook_elsewhere",
                f"webhooks of messaging profile {profile.name} go to "
                f"{profile.webhook_url or 'nowhere'}",
                "replies, and so STOP, are not heard here",
                point,
            )
        elif profile.webhook_api_version == "2010-04-01":
            yield Drift(
                "webhook_form",
                f"webhooks of messaging profile {profile.name} come in the form of 2010-04-01",
                "they can't be read here",
                f"{point}, which asks for version 2",
            )
        if profile.webhook_failover_url and profile.webhook_url == self._url:
            failover = profile.webhook_failover_url
            if not failover.startswith(self._url.rpartition("/receipts/")[0]):
                yield Drift(
                    "failover_elsewhere",
                    f"webhooks of messaging profile {profile.name} fall back to {failover}",
                    "a STOP that comes while this deployment is away is not heard here",
                    f"{point} --failover-url none, or have that address pass them on",
                )

    def _countries(self) -> Iterator[Drift]:
        configured = tuple(getattr(self._account, "countries", ()))
        allowed = [
            set(profile.countries)
            for profile in self._owned.profiles
            if profile.id in self._account.messaging_profiles and profile.countries
        ]
        for code in configured:
            if allowed and not any(code in countries for countries in allowed):
                yield Drift(
                    "country_not_allowed",
                    f"country {code} is configured, and no messaging profile may send there",
                    "the provider refuses messages to it (40309)",
                    "add it to the profile's destinations in the portal, or take it out here",
                )

    def _spending(self) -> Iterator[Drift]:
        limit, own = spend_limit(self._owned.profiles), self._account.daily_money
        if limit and (own is None or own > limit):
            here = "no daily_money is" if own is None else f"daily_money {own:g} is"
            yield Drift(
                "spend_limit",
                f"the messaging profiles may spend {limit:g} a day, and {here} configured",
                "beyond it the provider refuses messages until the next day (40333)",
                _AGAIN,
            )

    def _undeclared(self) -> Iterator[Drift]:
        """What could send and is not declared, where anything is."""
        if not self._account.senders:
            return
        for name, sender in derive(self._owned).senders.items():
            if name not in self._account.senders:
                yield Drift(
                    "sender_undeclared",
                    f"{sender.kind} {name} is on the account and not configured",
                    "no message can be sent from it here",
                    _AGAIN,
                )


def _gone(id: str) -> Drift:
    return Drift(
        "profile_gone",
        f"messaging profile {id} is not on the account",
        "the provider refuses messages that name it",
        _AGAIN,
    )


def _disabled(what: str) -> Drift:
    return Drift(
        "profile_disabled",
        f"{what} is disabled",
        "the provider refuses all its messages (40312)",
        "enable it in the portal",
    )


def drifts(account: Account, owned: Owned, webhook_url: str, name: str) -> list[Drift]:
    """Every difference, each once; ``webhook_url`` is where webhooks should go, or empty."""
    found: Mapping[Drift, None] = dict.fromkeys(
        _Comparison(account, owned, webhook_url, name).drifts()
    )
    return list(found)
