"""An account's settings: one Telnyx credential, its limits, and what it may do."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import force_setattr, replace

from ..addresses import is_loopback
from ..errors import InvalidConfig
from ..revocation import LANGUAGES, OPT_IN, normalised
from ..urls import MAX_URL
from .apis import APIS, Policy, known_apis
from .recipients import PerPrefix, PerRecipient, recipient_faults
from .senders import Brand, Count, Registration, SegmentRate, Sender, SettingFaults, faults
from .web import (
    COUNTRY,
    COUNTRY_RULE,
    Countries,
    DailyMoney,
    both_from_environment,
    from_environment,
    is_web_url,
    variable_faults,
)

PerSecond = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Seconds = Annotated[
    float, msgspec.Meta(gt=0, le=3_660 * 86_400)
]  # ten years: more is a typing slip
EventsKept = Annotated[int, msgspec.Meta(ge=1_000, le=10_000_000)]
Price = Annotated[float, msgspec.Meta(ge=0)]
TransportName = Literal["aiohttp", "httpx"]
Override = Literal["retry", "dead", "doubt", "halt", "halt_sender"]

_SLOWEST = 0.001  # requests per second: the log of slots must remember that long

_MOST_WORD = 60
_PROFILE = re.compile(r"(?!-)[A-Za-z0-9_-]{1,100}")

# No status below 300: what the provider has accepted is never sent again.
_CODE = re.compile(r"[3-5][0-9]{2}|[1-9][0-9]{4}")

_SENDERS = 'one table for each sender: [{at}."+15557654321"] and below it kind = "long_code"'
Senders = Annotated[dict[str, Sender], msgspec.Meta(description=_SENDERS)]
_PROFILES = 'a list of messaging profiles\' ids: ["40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3"]'
Profiles = Annotated[tuple[str, ...], msgspec.Meta(description=_PROFILES)]
_LANGUAGES = f'a list of languages, of {", ".join(LANGUAGES)}: ["en", "es"]'
Languages = Annotated[tuple[str, ...], msgspec.Meta(description=_LANGUAGES)]
_WORDS = 'a list of words or short phrases: ["take a hike"]'
Words = Annotated[tuple[str, ...], msgspec.Meta(description=_WORDS)]


class InDoubt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a message whose POST may or may not have reached the provider.

    First, ``transactional_wait_seconds`` or ``bulk_wait_seconds`` are spent waiting for evidence.
    Then ``policy`` decides: ``resend`` sends it again with the same idempotency key and bytes,
    ``hold`` leaves it to a person, and ``drop`` gives it up. ``""`` is replaced by the API's
    default: ``resend`` on v2, and ``hold`` on v1, which has no idempotency keys.
    """

    policy: Policy = ""
    transactional_wait_seconds: Seconds = 30.0
    bulk_wait_seconds: Seconds = 600.0


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a failed attempt is repeated: after ``base_seconds * 2^n * (0.5 + random)``.

    ``cap_seconds`` limits that delay. ``max_attempts`` counts attempts that failed because of the
    provider or the network; throttling and halts do not, unless a message meets them alone.
    ``max_age_seconds`` limits the time spent in attempts and backoff.
    """

    max_attempts: Count = 8
    base_seconds: Seconds = 1.0
    cap_seconds: Seconds = 300.0
    max_age_seconds: Seconds = 86_400.0


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One credential of the provider, and what it may do.

    Its API: ``api`` is one of ``APIS``, which gives ``base_url`` and ``in_doubt.policy`` their
    defaults. v1 is Telnyx's legacy API, whose key is a messaging profile's secret.

    Its limits: ``limit`` requests per ``window_seconds`` are allowed until the provider's answers
    tell its own, and never more than ``max_requests_per_second``, whatever they say; 0 for no
    such ceiling. ``sms_per_second`` and ``mms_per_second`` are segments a second, 0 for no limit.
    ``senders`` are by number, name or, for a pool, messaging profile's id; if there are any, no
    others are allowed. While a deployment is being updated, the highest ``limits_version``
    applies, and of equal ones that of the worker that started last. ``concurrency`` limits the
    POSTs under way on all hosts, ``worker_concurrency`` those of one worker process.
    With ``uncapped_first``, what a carrier's level refuses makes way for what it does not concern:
    in ``bulk``, in ``all`` messages, or in ``none``. Of so many ``carrier_numbers`` the carrier is
    remembered, and each for so many ``carrier_days``; 0 numbers for none.

    Its recipients: messages go only to ``countries`` (ISO codes; empty for all). ``per_recipient``
    is how much one person gets, whoever sends it, and ``per_prefix`` a brake on numbers that begin
    alike.

    Its requests: ``transport`` names the HTTP client. An answer must be complete within
    ``read_timeout_seconds``. ``lease_seconds`` is how long a silent worker keeps what it claimed.
    ``outcomes`` maps error codes and HTTP statuses to what they mean for this account, and takes
    precedence over the built-in tables.

    Its prices, in ``currency``, for estimates: ``price_list`` is a file of prices by country
    (a path from the configuration's folder; see ``campaigns/prices.py``), else of an SMS
    ``price_per_segment`` and of a media message ``price_per_mms``.

    Its money: once what was billed today (UTC), and may be for what is under way, comes to
    ``daily_money`` of ``currency``, the account is halted until the day ends; at the share
    ``money_warning`` of a cap, be it this one, an app's or a campaign's, it is told. Sums of what
    was billed are kept for ``cost_days`` days.

    Its campaigns: with ``approve_campaigns`` each goes out only once a second person has approved
    it as it is, one of ``approvers`` if there are any.

    Its webhooks: ``receipts`` asks for a receipt of each message, which needs ``web.public_url``;
    without it, an app's own webhook URL goes to the provider unchanged. A webhook is trusted if it
    is signed for the key in ``public_key_env`` (base64) or, on API v1, with the secret in
    ``v1_webhook_secret_env``, by default the account's own. A STOP sent to one of
    ``messaging_profiles`` opts the number out of this account. Replies are heard for opt-outs in
    ``optout_languages`` (none for all that are known; English is always heard), and
    ``optout_words`` opt out as well where they are the whole reply. Everything that comes to the
    account's own webhook URL is passed on to ``inbound_url``, an app's; ``inbound_private`` says
    that this is on the same host or in a private network, where it may also be plain http.

    Its events: about the last ``events_kept`` are kept in Redis, where an app wants any.
    """

    api_key_env: str = "SLUICEGATE_TELNYX_API_KEY"
    api: str = "v2"
    base_url: str = ""
    limit: Count = 50
    window_seconds: Seconds = 1.0
    max_requests_per_second: PerSecond = 0.0
    sms_per_second: SegmentRate = 50.0
    mms_per_second: SegmentRate = 15.0
    limits_version: Annotated[int, msgspec.Meta(ge=0)] = 0
    uncapped_first: Literal["bulk", "all", "none"] = "bulk"
    carrier_numbers: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 1_000_000
    carrier_days: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 90
    concurrency: Count = 100
    worker_concurrency: Count = 50
    transport: TransportName = "aiohttp"
    connect_timeout_seconds: Seconds = 5.0
    read_timeout_seconds: Seconds = 30.0
    lease_seconds: Seconds = 15.0
    price_per_segment: Price = 0.004
    price_per_mms: Price = 0.015
    price_list: str = ""
    currency: str = "USD"
    daily_money: DailyMoney | None = None
    money_warning: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    cost_days: Annotated[int, msgspec.Meta(ge=1, le=3_660)] = 400
    approve_campaigns: bool = False
    approvers: tuple[str, ...] = ()
    in_doubt: InDoubt = InDoubt()
    retry: RetrySettings = RetrySettings()
    senders: Senders = {}
    registrations: dict[str, Registration] = {}
    brands: dict[str, Brand] = {}
    countries: Countries = ()
    per_recipient: PerRecipient = PerRecipient()
    per_prefix: PerPrefix = PerPrefix()
    outcomes: dict[str, Override] = {}
    receipts: bool = True
    public_key_env: str = "SLUICEGATE_TELNYX_PUBLIC_KEY"
    v1_webhook_secret_env: str = ""
    messaging_profiles: Profiles = ()
    optout_languages: Languages = ()
    optout_words: Words = ()
    inbound_url: str = ""
    inbound_private: bool = False
    events_kept: EventsKept = 100_000

    def __post_init__(self) -> None:
        """Fill in the defaults of the API; ``load`` refuses an unknown one."""
        if not (api := APIS.get(self.api)):
            return
        force_setattr(self, "base_url", self.base_url or api.base_url)
        policy = self.in_doubt.policy or api.in_doubt
        force_setattr(self, "in_doubt", replace(self.in_doubt, policy=policy))

    def api_key(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the API key from the environment; raises InvalidConfig if it is not set."""
        key = self.known_api_key(environ)
        if not key:
            secret = APIS[self.api].secret if self.api in APIS else "credential"
            raise InvalidConfig(self.api_key_env, f"set it to the account's {secret}")
        return key

    def known_api_key(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the API key from the environment; ``""`` if it is not set, as on many hosts."""
        return from_environment(self.api_key_env, environ)

    def public_keys(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Return the keys that check this account's webhooks, in base64; empty if none is set.

        There are two while the provider changes from one to another.
        """
        return both_from_environment(self.public_key_env, environ)

    def webhook_secrets(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Return the secrets that sign this account's webhooks, likewise."""
        own = self.api_key_env if self._webhooks_signed_with == "secret" else ""
        variable = self.v1_webhook_secret_env or own
        return both_from_environment(variable, environ) if variable else ()

    @property
    def webhook_key_env(self) -> str:
        """The name of the variable with which this account's webhooks are checked."""
        if self._webhooks_signed_with == "secret":
            return self.v1_webhook_secret_env or self.api_key_env
        return self.public_key_env

    @property
    def _webhooks_signed_with(self) -> str:
        return APIS[self.api].webhooks_signed_with if self.api in APIS else ""


def account_faults(account: Account) -> SettingFaults:
    """Yield what the types can't check of an account."""
    variables = {"api_key_env": account.api_key_env, "public_key_env": account.public_key_env}
    if account.v1_webhook_secret_env:
        variables["v1_webhook_secret_env"] = account.v1_webhook_secret_env
    yield from variable_faults(variables)
    if account.api not in APIS:
        yield ("api",), f"must be one of {known_apis()}"
    elif not is_web_url(account.base_url):
        yield ("base_url",), "must be an https URL, or http on a loopback host"
    elif account.base_url in _others(account.api):
        yield (
            ("base_url",),
            f"belongs to another API than {account.api}: leave it out, or change api",
        )
    if 0 < account.max_requests_per_second < _SLOWEST:
        yield ("max_requests_per_second",), f"must be at least {_SLOWEST:g}, or 0 for no ceiling"
    yield from faults(account.senders, account.registrations, account.brands)
    yield from recipient_faults(account.per_recipient, account.per_prefix)
    if not all(map(COUNTRY.fullmatch, account.countries)):
        yield ("countries",), COUNTRY_RULE
    for code in account.outcomes:
        if not _CODE.fullmatch(code):
            reason = "must be an error code of five digits, or an HTTP status from 300 to 599"
            yield ("outcomes", code), reason
    if not all(map(_PROFILE.fullmatch, account.messaging_profiles)):
        yield ("messaging_profiles",), "each must be a messaging profile's id: A-Z a-z 0-9 _ -"
    yield from _inbound_faults(account)


def _inbound_faults(account: Account) -> SettingFaults:
    """Yield what is wrong with how replies are heard, and with where they are passed on to."""
    if unknown := sorted(set(account.optout_languages) - set(LANGUAGES)):
        known = ", ".join(LANGUAGES)
        yield ("optout_languages",), f"no such language: {', '.join(unknown)}; known: {known}"
    if not all(_is_word(word) for word in account.optout_words):
        reason = f"each must be a word or phrase of at most {_MOST_WORD} letters, not START"
        yield ("optout_words",), reason
    url = account.inbound_url
    if not url:
        return
    reached = is_web_url(url) or (account.inbound_private and is_web_url(url, plain_http=True))
    if len(url) > MAX_URL or not reached:
        reason = "must be an https URL, or http with inbound_private = true"
        yield ("inbound_url",), f"{reason}; of at most {MAX_URL:,} characters, without a user name"
    elif is_loopback(urlsplit(url).hostname or "") and not account.inbound_private:
        yield ("inbound_url",), "is on this host: if that is meant, set inbound_private = true"


def _is_word(text: str) -> bool:
    words = normalised(text)
    return 0 < len(words) <= _MOST_WORD and words not in OPT_IN


def _others(api: str) -> set[str]:
    """The base URLs of the other APIs: with one of them, ``api`` must be wrong."""
    return {other.base_url for name, other in APIS.items() if name != api}
