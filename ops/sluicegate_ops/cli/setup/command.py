"""``sluicegate setup``: from a key alone to a written configuration, and back."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.config import Account, Config, load
from sluicegate.config.web import from_environment, is_web_url

from ...operating.session import Session
from ...operating.words import clean, counted
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, FAILED, fail, say
from ..kit.options import AsJsonDocument, Confirmed
from ..kit.output import tell, write_document

if TYPE_CHECKING:  # the rest is heavy, and the help does without it
    from sluicegate_worker.provider.owned import Owned

    from .plan import SetupPlan

COULD_NOT_LOOK = 2


@option_set
class SetupOptions:
    """The options of ``setup``."""

    key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE", help="Where the API key is; else SLUICEGATE_TELNYX_API_KEY."
        ),
    ] = None
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds the API key instead.")
    ] = None
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the provider reaches sluicegate serve, https."),
    ] = None
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The provider's API, if it is another one.")
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The configuration to write; else the one in use."),
    ] = None
    webhooks: Annotated[
        bool,
        typer.Option("--webhooks/--no-webhooks", help="Point the profiles' webhooks here."),
    ] = True
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: list what no longer fits.")
    ] = False
    undo: Annotated[bool, typer.Option("--undo", help="Restore what the last set-up changed.")] = (
        False
    )
    yes: Confirmed = False
    json: AsJsonDocument = False


@command
def setup(session: Session, options: SetupOptions) -> None:
    """Write the configuration that fits your API key.

    It reads profiles, numbers, 10DLC campaigns and brands with the key, shows
    every change, and asks. What was there before is written down; --undo
    restores it. --check exits with 1 if something no longer fits, 2 if it could
    not look.

    \b
    Example:
      sluicegate setup --public-url https://sms.example.com
      sluicegate setup --check
      sluicegate setup --undo
    """
    if options.check and options.undo:
        fail("--check or --undo: choose one", BAD_INPUT)
    file = _file(session, options)
    config = _config(file)
    if options.undo:
        _undo(session, options, file, config)
        return
    from .plan import planned
    from .written import SetupTarget

    account, key = _account(session, options, config)
    target = SetupTarget(
        account=session.name,
        base_url=account.base_url,
        api_key_env=account.api_key_env,
        public_url=_public_url(options, config),
    )
    owned = _owned(session, options, account, key)
    if options.check:
        _check(session, options, account, target.public_url, owned)
        return
    plan = planned(file, config, target, owned, os.environ)
    if not options.webhooks:
        plan.webhooks.clear()
    _carry_out(session, options, plan, account, key, file)


# -- what it begins with


def _file(session: Session, options: SetupOptions) -> Path:
    named = options.out or session.config_path or os.environ.get("SLUICEGATE_CONFIG")
    return Path(named or "sluicegate.toml")


def _config(file: Path) -> Config | None:
    return load(file) if file.exists() else None


def _account(
    session: Session, options: SetupOptions, config: Config | None
) -> tuple[Account, str]:
    """The account to read with, and its key."""
    known = config.accounts.get(session.name, Account()) if config else Account()
    settings = {"api_key_env": options.key_env or known.api_key_env}
    settings["base_url"] = options.base_url or known.base_url
    if known.api != "v2":
        fail(f"account {session.name} is of API {known.api}: its secret can't read it", BAD_INPUT)
    if not is_web_url(settings["base_url"]):
        fail("--base-url must be an https URL, or http on a loopback host", BAD_INPUT)
    account = Account(**settings)  # type: ignore[arg-type] # two texts
    if options.key_file is None:
        return account, account.api_key()
    variable = f"{account.api_key_env}_FILE"
    key = from_environment(account.api_key_env, {variable: str(options.key_file)})
    if not key:
        fail(f"--key-file {options.key_file}: it is empty", BAD_INPUT)
    return account, key


def _public_url(options: SetupOptions, config: Config | None) -> str:
    url = (options.public_url or (config.web.public_url if config else "")).rstrip("/")
    if url and not is_web_url(url):
        fail("--public-url must be an https URL, or http on a loopback host", BAD_INPUT)
    return url


def _owned(session: Session, options: SetupOptions, account: Account, key: str) -> "Owned":
    from sluicegate_worker.provider.owned import Unread

    from ..kit.books import books_with

    if not key.isascii() or not key.isprintable() or " " in key:
        fail(f"{account.api_key_env}: an API key has no spaces or such characters", BAD_INPUT)
    try:
        with books_with(account, key, session) as books:
            return books.owned()
    except Unread as error:
        status = COULD_NOT_LOOK if options.check else FAILED
        advice = f". Is {account.api_key_env} this account's API key?" * (error.status == 401)
        fail(f"the account can't be read: {error}{advice}", status)


# -- looking


def _check(
    session: Session, options: SetupOptions, account: Account, public_url: str, owned: "Owned"
) -> None:
    from .drift import drifts

    configured = session.account if session.config.accounts.get(session.name) else account
    url = f"{public_url}/receipts/{session.name}" if public_url else ""
    found = drifts(configured, owned, url, session.name)
    if options.json:
        write_document({"account": session.name, "drift": found, "unread": owned.unread})
    for part, why in owned.unread.items():
        say(f"not looked at: {part}: {why}")
    if not options.json:
        for drift in found:
            tell(f"- {clean(drift.what)}", indent=2, style="bold")
            tell(f"    why  {clean(drift.why)}", indent=9)
            tell(f"    do   {clean(drift.do)}", indent=9)
        typer.echo(
            f"{counted(len(found), 'difference')} between the configuration and the account"
        )
    if found:
        raise typer.Exit(FAILED)
    if owned.unread:
        raise typer.Exit(COULD_NOT_LOOK)


# -- doing


def _carry_out(
    session: Session,
    options: SetupOptions,
    plan: "SetupPlan",
    account: Account,
    key: str,
    file: Path,
) -> None:
    from .acting import carry_out
    from .screen import result, show_plan

    if not options.json or not options.yes:
        show_plan(plan, err=options.json)
    if not plan.files and not plan.webhooks:
        if options.json:
            write_document(result(plan, changed=False))
        else:
            typer.echo("nothing to change")
        return
    if plan.files:
        confirm(f"Write {', '.join(str(one.path) for one in plan.files)}?", options.yes)
    if plan.webhooks:
        count = counted(len(plan.webhooks), "messaging profile")
        confirm(f"Point the webhooks of {count} to {plan.target.public_url}?", options.yes)
    carry_out(session, plan, account, key, file)
    if options.json:
        write_document(result(plan, changed=True))
        return
    typer.echo(f"done; to restore what was there: sluicegate setup --undo --out {file}")
    for line in _next_steps(options, plan, account):
        typer.echo(line)


def _next_steps(options: SetupOptions, plan: "SetupPlan", account: Account) -> list[str]:
    lines = [
        f"give workers and serve the variables in {one.path}, such as: set -a; . ./{one.path}"
        for one in plan.files
        if one.secret
    ]
    if options.key_file:
        lines.append(f"and the key: export {account.api_key_env}_FILE={options.key_file}")
    return [*lines, "then: sluicegate doctor"]


def _undo(session: Session, options: SetupOptions, file: Path, config: Config | None) -> None:
    from .acting import undo
    from .journal import SetupJournal

    journal = SetupJournal(file)
    runs = journal.runs()
    if not runs:
        fail(f"{journal.path} names no set-up that could be undone", BAD_INPUT)
    last = runs[-1]
    account, key = Account(base_url=last.base_url), ""
    if last.webhooks:
        base = SetupOptions(key_env=options.key_env, key_file=options.key_file,
                            base_url=last.base_url)  # fmt: skip
        account, key = _account(session, base, config)
    lines = [f"set-up of account {last.account}, {last.at}:"]
    for changed in last.files:
        restored = "removed" if changed.before is None else "as it was"
        lines += [f"  {changed.path}: {restored}"]
    for webhooks in last.webhooks:
        for name, before in webhooks.before.items():
            now = webhooks.after[name] or "none"
            lines.append(f"  profile {webhooks.name}, {name}: {now} -> {before or 'none'}")
    if options.yes:
        say("\n".join(lines))
    confirm("\n".join([*lines, "Restore that?"]), options.yes)
    left = undo(session, last, account, key, journal)
    if options.json:
        write_document({"account": last.account, "at": last.at, "left": left})
    if left:
        fail("; ".join(left))
    if not options.json:
        typer.echo("restored")
