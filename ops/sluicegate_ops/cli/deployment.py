"""``sluicegate deployment``: whose an account is, and how it changes hands."""

from typing import Annotated, Any

import msgspec
import typer

from sluicegate.identity import Identity

from ..operating.session import Session
from .kit.acts import by_whom, note
from .kit.asking import confirm
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.groups import group
from .kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from .kit.output import write_document, write_pairs, write_result

deployment = group("See whose an account is, take it over, or change its API key.")


class IdentityScreen(msgspec.Struct, frozen=True):
    """Whose an account is; ``keys`` are the fingerprints of the API keys that may send.

    ``own_key`` is the fingerprint of the key in this environment, ``""`` where none is set.
    """

    account: str
    deployment: str
    base_url: str
    keys: tuple[str, ...]
    own_key: str


@option_set
class IdentityShowOptions:
    """The options of ``deployment show``."""

    json: AsJsonDocument = False


@option_set
class IdentityAdoptOptions:
    """The options of ``deployment adopt``."""

    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@option_set
class IdentityForgetOptions:
    """The options of ``deployment forget``."""

    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The API key's fingerprint, as show has it.")
    ]
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


def _command(run: Any) -> Any:
    return command(run, of_any_deployment=True)


@deployment.command()
@_command
def show(session: Session, options: IdentityShowOptions) -> None:
    """Show whose the account is, and with which API keys it is sent.

    \b
    Example:
      sluicegate deployment show
    """
    known = session.identities.look()
    if options.json:
        write_document(_screen(session, known))
    else:
        _write(session, known)


@deployment.command()
@_command
def adopt(session: Session, options: IdentityAdoptOptions) -> None:
    """Make the account this configuration's, from its next worker on.

    To change the API key: run this with the new key in the environment, restart
    the workers one after the other with it, then forget the old one. Both may
    send until then. Another deployment or URL takes the account over only while
    no worker of the one before runs and none of its messages is in doubt.

    \b
    Example:
      sluicegate deployment adopt --why "the yearly change of the API key"
    """
    by = by_whom(options.who, options.why, needed=True)
    known = session.identities.look()
    own = session.identities.own(known.salt)
    whose = f"It is known as {known}." if known.deployment else "Nobody has used it yet."
    confirm(f"{whose} Make account {session.name} that of {own}?", options.yes)
    before, after = session.identities.adopt()
    if after.obstacle:
        fail(f"account {session.name} is {before}, and {after.obstacle} first")
    about = {"deployment": after.deployment, "url": after.base_url}
    about |= {"key": after.keys[-1]} if after.keys else {}
    if before.deployment and str(before) != str(after):
        about |= {"before": str(before)}
    note(session, by, "adopt deployment", about)
    done = f"account {session.name} is {after}; API keys that may send: {_keys(after)}"
    write_result(_screen(session, after), done, as_json=options.json)


@deployment.command()
@_command
def forget(session: Session, options: IdentityForgetOptions) -> None:
    """Let an API key send no more, once no worker has it any more.

    \b
    Example:
      sluicegate deployment forget 0f3c9a52d8e1b764 --why "changed yesterday"
    """
    by = by_whom(options.who, options.why, needed=True)
    known = session.identities.look()
    if options.key not in known.keys:
        fail(f"{options.key}: no such API key; there are: {_keys(known)}", BAD_INPUT)
    if known.keys == (options.key,):
        fail(f"{options.key} is the only API key: adopt another one first", BAD_INPUT)
    after = session.identities.forget(options.key)
    note(session, by, "forget key", {"key": options.key})
    done = f"forgotten; API keys that may send: {_keys(after)}"
    write_result(_screen(session, after), done, as_json=options.json)


def _screen(session: Session, known: Identity) -> IdentityScreen:
    own = session.identities.own(known.salt).keys
    return IdentityScreen(session.name, known.deployment, known.base_url, known.keys, "".join(own))


def _write(session: Session, known: Identity) -> None:
    if not known.deployment:
        typer.echo(f"nobody has used account {session.name} yet; its first worker will say")
        return
    own = session.identities.own(known.salt)
    write_pairs(
        (
            ("account", session.name),
            ("deployment", known.deployment),
            ("URL", known.base_url),
            ("API keys", _keys(known)),
            ("key here", "".join(own.keys) or "none is set"),
            ("configuration", f"says {own}" if str(own) != str(known) else ""),
        )
    )


def _keys(known: Identity) -> str:
    return ", ".join(known.keys) or "none yet"
