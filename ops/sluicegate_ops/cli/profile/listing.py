"""``sluicegate profile list`` and ``show``: messaging profiles as the provider has them."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from sluicegate.config import Config
from sluicegate_worker.provider.owned import KnownProfile

from ...operating.session import Session
from ...operating.words import clean
from ..kit.books import books
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, AsJsonLines
from ..kit.output import table, write, write_document, write_lines, write_pairs

ProfileArgument = Annotated[str, typer.Argument(metavar="ID", help="The messaging profile's id.")]


class ProfileScreen(msgspec.Struct, frozen=True):
    """A messaging profile without its secret; ``here`` if its webhooks come to this deployment."""

    id: str
    name: str
    enabled: bool
    webhook_url: str
    webhook_failover_url: str
    webhook_api_version: str
    here: bool
    countries: tuple[str, ...]
    daily_spend: str | None
    smart_encoding: bool
    mms_fall_back_to_sms: bool
    pool: bool


@option_set
class ProfileListOptions:
    """The options of ``profile list``."""

    json: AsJsonLines = False


@option_set
class ProfileShowOptions:
    """The options of ``profile show``."""

    id: ProfileArgument
    json: AsJsonDocument = False


@command
def list_(session: Session, options: ProfileListOptions) -> None:
    """List the account's messaging profiles at the provider.

    \b
    Example:
      sluicegate profile list
    """
    with books(session) as opened:
        screens = [screen(profile, session.config, session.name) for profile in opened.profiles()]
    if options.json:
        write_lines(screens)
        return
    if not screens:
        typer.echo("the account has no messaging profile")
        return
    rows = table("ID", "NAME", "ENABLED", "WEBHOOKS", spare=("ENABLED", "NAME"))
    for one in screens:
        rows.add_row(one.id, clean(one.name), "yes" if one.enabled else "no", _whereto(one))
    write(rows)


@command
def show(session: Session, options: ProfileShowOptions) -> None:
    """Show a messaging profile as the provider has it.

    \b
    Example:
      sluicegate profile show 40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3
    """
    with books(session) as opened:
        one = screen(opened.profile(options.id), session.config, session.name)
    if options.json:
        write_document(one)
    else:
        write_pairs(_pairs(one))


def screen(profile: KnownProfile, config: Config, account: str) -> ProfileScreen:
    """What people see of a profile."""
    names = [name for name in ProfileScreen.__struct_fields__ if name != "here"]
    values = {name: getattr(profile, name) for name in names}
    ours = webhook_url(config, account)
    return ProfileScreen(here=bool(ours) and profile.webhook_url == ours, **values)


def webhook_url(config: Config, account: str) -> str:
    """Where a profile's webhooks come to this deployment; "" without a ``public_url``."""
    return f"{config.web.public_url}/receipts/{account}" if config.web.public_url else ""


def _whereto(one: ProfileScreen) -> str:
    return "here" if one.here else clean(one.webhook_url) or "nowhere"


def _pairs(one: ProfileScreen) -> Iterator[tuple[str, object]]:
    yield "id", one.id
    yield "name", one.name
    yield "enabled", "yes" if one.enabled else "no: it sends nothing"
    yield "webhooks", one.webhook_url + " (here)" * one.here or "nowhere"
    yield "failover", one.webhook_failover_url
    yield "form", f"of API {one.webhook_api_version}"
    yield "sends to", ", ".join(one.countries) or "all countries"
    yield "spends at most", f"{one.daily_spend} a day" if one.daily_spend else "no limit"
    yield "number pool", "yes" if one.pool else ""
    yield "smart encoding", "yes" if one.smart_encoding else ""
    yield "MMS fall back", "to SMS" if one.mms_fall_back_to_sms else ""
