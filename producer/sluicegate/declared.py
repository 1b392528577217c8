"""Whom an account declares that it sends from, and to which countries: all else is refused."""

from .config import Account, Sender
from .errors import InvalidMessage
from .masking import masked
from .numbering import region_of
from .stored import sender_name


def sender_of(
    account: Account, sender: str | None, messaging_profile_id: str | None
) -> tuple[str, Sender] | None:
    """Return the declared sender of a message: its name in lanes, and its settings.

    None if the account does not declare it.
    """
    pool = sender is None
    key = messaging_profile_id if sender is None else sender
    declared = account.senders.get(key or "")
    if declared is None or (declared.kind == "pool") != pool:
        return None
    return declared_name(str(key), declared), declared


def check_sender(
    account: Account, sender: str | None, messaging_profile_id: str | None, id: str = ""
) -> None:
    """Check that a message's sender is declared, if the account declares any sender at all.

    ``id`` is the message's, for the error. Raises InvalidMessage.
    """
    if not account.senders or sender_of(account, sender, messaging_profile_id):
        return
    names = sorted(declared_name(key, known) for key, known in account.senders.items())
    field = "messaging_profile_id" if sender is None else "sender"
    value = messaging_profile_id if sender is None else sender
    raise InvalidMessage(field, value, f"not among the account's senders: {', '.join(names)}", id)


def country_fault(account: Account, to: str) -> str:
    """Say why the account does not send to the number ``to``; ``""`` if it does.

    Where not all countries are allowed, a number of none is not either.
    """
    if not account.countries:
        return ""
    country = region_of(to) if to.startswith("+") else ""  # a short code is of none that we know
    if country in account.countries:
        return ""
    where = f"it is a number of {country}" if country else "its country is not known"
    return f"{where}; the account sends to {', '.join(account.countries)}"


def check_country(account: Account, to: str, id: str = "") -> None:
    """Check that the account sends to the number ``to``; raises InvalidMessage.

    ``id`` is the message's, for the error.
    """
    if fault := country_fault(account, to):
        raise InvalidMessage("to", masked(to), fault, id)


def declared_name(key: str, sender: Sender) -> str:
    """A declared sender's name in lanes, by its key in the configuration."""
    return sender_name(None, key) if sender.kind == "pool" else key
