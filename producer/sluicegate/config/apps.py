"""What an app of ``[web.apps]`` can't have: senders, countries and caps unknown to its account.

What the names of apps and of their variables must be is checked with the rest of ``[web]``.
"""

from collections.abc import Iterator, Mapping

from .account import Account
from .senders import SettingFaults
from .web import COUNTRY, COUNTRY_RULE, App


def tenant_faults(apps: Mapping[str, App], accounts: Mapping[str, Account]) -> SettingFaults:
    """Yield each such setting and why it can't stand; apps of unknown accounts are passed over."""
    for name, app in apps.items():
        account = accounts.get(app.account)
        if account is None:
            continue
        for setting, reason in _faults(app, account):
            yield (name, setting), reason


def _faults(app: App, account: Account) -> Iterator[tuple[str, str]]:
    for sender in app.senders:
        if sender not in account.senders:
            declared = ", ".join(sorted(account.senders)) or "none"
            yield (
                "senders",
                f"not among the senders of account {app.account} ({declared}): declare it there, "
                f'as in [accounts.{app.account}.senders."+15557654321"]',
            )
    for country in app.countries:
        if not COUNTRY.fullmatch(country):
            yield "countries", COUNTRY_RULE
        elif account.countries and country not in account.countries:
            allowed = ", ".join(account.countries)
            yield "countries", f"{country} is not among account {app.account}'s: {allowed}"
    flat = account.price_per_segment > 0 and account.price_per_mms > 0
    if app.daily_money is not None and not account.price_list and not flat:
        yield (
            "daily_money",
            f"account {app.account} has no prices to reckon with: give it a price_list, or "
            "price_per_segment and price_per_mms above 0",
        )


def finds_older_ids(apps: Mapping[str, App], name: str) -> bool:
    """Whether app ``name`` also finds what version 0.1 stored under ids without an app's name."""
    app = apps[name]
    if app.older_ids is not None:
        return app.older_ids
    return sum(other.account == app.account for other in apps.values()) == 1
