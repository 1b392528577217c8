"""The configuration as set-up writes it: each value with where it comes from."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from sluicegate.config import Account
from sluicegate_worker.provider.owned import Owned

from .derived import Derived, spend_limit
from .toml_text import (
    BEGIN,
    END,
    check_rest,
    comment,
    setting_at,
    table,
    with_block,
    with_setting,
)


class SetupTarget(msgspec.Struct, frozen=True):
    """For which account and deployment; ``base_url`` and ``public_url`` may be empty."""

    account: str
    base_url: str
    api_key_env: str
    public_url: str
    limits_version: int | None = None
    """The new one, where the limits in force are others; None leaves it as it is."""


def written(
    before: str, derived: Derived, owned: Owned, target: SetupTarget, now: datetime
) -> str:
    """The text of the configuration with what the account owns; ``before`` may be empty.

    Raises InvalidConfig where ``before`` can't be changed in place.
    """
    account = ("accounts", target.account)
    text = before or _head(now)
    settings: dict[tuple[str, ...], tuple[object, str]] = {}
    if target.public_url:
        why = "where the provider reaches `sluicegate serve`: given to sluicegate setup"
        settings["web", "public_url"] = (target.public_url, why)
    default = Account()
    if target.api_key_env != default.api_key_env:
        settings[*account, "api_key_env"] = (target.api_key_env, "given to sluicegate setup")
    if target.base_url != default.base_url:
        settings[*account, "base_url"] = (target.base_url, "given to sluicegate setup")
    ids = [profile.id for profile in derived.profiles]
    why = "STOP and START heard by these count: " + ", ".join(p.name for p in derived.profiles)
    settings[*account, "messaging_profiles"] = (ids, why)
    if derived.currency and derived.currency != default.currency:
        settings[*account, "currency"] = (derived.currency, "the currency of the balance")
    limit, own = spend_limit(derived.profiles), setting_at(before, (*account, "daily_money"))
    if limit and not (isinstance(own, int | float) and own <= limit):
        why = "what the messaging profiles may spend in a day, together"
        settings[*account, "daily_money"] = (limit, why)
    if target.limits_version is not None:
        why = "raised, so that these limits replace those in force"
        settings[*account, "limits_version"] = (target.limits_version, why)
    if countries := countries_of(derived):
        why = "the destinations that the messaging profiles are allowed"
        settings[*account, "countries"] = (countries, why)
    for (*path, name), (given, reason) in settings.items():
        text = with_setting(text, path, name, given, reason)
    block = _block(derived, owned, target, now)
    text = with_block(text, target.account, block)
    check_rest(before, text, target.account, block, list(settings))
    return text


def countries_of(derived: Derived) -> list[str]:
    """The countries that any of the profiles may send to; empty for all, or where not kept."""
    if "countries" not in Account.__struct_fields__:
        return []
    lists = [profile.countries for profile in derived.profiles]
    return sorted({code for one in lists for code in one}) if lists and all(lists) else []


def _head(now: datetime) -> str:
    return (
        f"# Written by sluicegate setup on {now:%Y-%m-%d}. examples/sluicegate.toml has every\n"
        "# setting. No secret belongs into this file.\n"
    )


def _block(derived: Derived, owned: Owned, target: SetupTarget, now: datetime) -> str:
    lines = [f"{BEGIN} {target.account}", *_told(derived, owned, target, now)]
    account = ("accounts", target.account)
    for name, sender in derived.senders.items():
        lines += table((*account, "senders", name), _set(sender), derived.reasons[name])
    for name, registration in derived.registrations.items():
        why = derived.reasons[f"registration {name}"]
        lines += table((*account, "registrations", name), _set(registration), why)
    for name, brand in derived.brands.items():
        lines += table((*account, "brands", name), _set(brand), derived.reasons[f"brand {name}"])
    return "\n".join([*lines, "", f"{END} {target.account}", ""])


def _told(derived: Derived, owned: Owned, target: SetupTarget, now: datetime) -> Iterator[str]:
    """What is known and has no setting: spend limits, destinations, what is left out."""
    yield comment(f"Read at {target.base_url} on {now:%Y-%m-%d %H:%M} UTC.")
    for profile in derived.profiles:
        told = [f"spends at most {profile.daily_spend} a day"] * bool(profile.daily_spend)
        told += [f"sends to {', '.join(profile.countries) or 'all countries'}"]
        told += ["MMS that a recipient can't take fall back to SMS"] * profile.mms_fall_back_to_sms
        told += ["smart encoding"] * profile.smart_encoding
        yield comment(f"Messaging profile {profile.name} ({profile.id}): {'; '.join(told)}.")
    for left in derived.set_aside:
        yield comment(f"Left out: {left.name}: {left.why}. To bring it in: {left.do}.")
    for part, why in owned.unread.items():
        yield comment(f"Not read: {part}: {why}.")


def _set(settings: msgspec.Struct) -> dict[str, Any]:
    """The settings that are not their defaults."""
    told = {}
    for field in msgspec.structs.fields(type(settings)):
        given = getattr(settings, field.name)
        if field.required or given != field.default:
            told[field.name] = given
    return told
