"""``sluicegate user``: who may log in to the desk, and what each may do."""

import os
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from sluicegate.config import Role
from sluicegate.config.desk import ROLES, USER_NAME, USER_NAME_RULE

from ..operating.session import Session
from ..operating.words import clean
from .kit.asking import confirm
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.groups import group
from .kit.options import AsJsonDocument, AsJsonLines, Confirmed
from .kit.output import table, write, write_lines, write_result
from .setup.journal import write_private
from .setup.toml_text import setting_at, with_setting, without

user = group("Let people log in to the desk of sluicegate serve.")

_DESK = ("web", "desk")
_USERS = (*_DESK, "users")

UserArgument = Annotated[str, typer.Argument(metavar="NAME", help="The person's name.")]


@option_set
class UserAddOptions:
    """The options of ``user add``."""

    name: UserArgument
    role: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE", help=f"What they may do: {', '.join(ROLES)}; repeat it."),
    ] = None
    no_password: Annotated[
        bool,
        typer.Option("--no-password", help="None: a proxy or Flower says who has logged in."),
    ] = False
    print_: Annotated[
        bool, typer.Option("--print", help="Print the lines; leave the configuration as it is.")
    ] = False
    json: AsJsonDocument = False


@option_set
class UserRemoveOptions:
    """The options of ``user remove``."""

    name: UserArgument
    yes: Confirmed = False
    json: AsJsonDocument = False


@option_set
class UserListOptions:
    """The options of ``user list``."""

    json: AsJsonLines = False


@user.command()
@command
def add(session: Session, options: UserAddOptions) -> None:
    """Let a person log in, or give one a new password or other roles.

    The password is asked for, or read from the first line of standard input. The
    configuration keeps its hash. It counts at once; only the first person takes
    a restart of sluicegate serve, which opens the desk then.

    \b
    Example:
      sluicegate user add ann --role send --role operate
    """
    name, roles = options.name, _roles(options.role)
    if not USER_NAME.fullmatch(name):
        fail(f"{clean(name)}: {USER_NAME_RULE}", BAD_INPUT)
    hash = "" if options.no_password else _hashed()
    path = _file(session)
    text = "" if options.print_ or not path.exists() else path.read_text(encoding="utf-8")
    table_of = (*_USERS, name)
    known, opened = setting_at(text, table_of) is not None, setting_at(text, _DESK) is not None
    for setting, given in {"roles": roles, "password_hash": hash}.items():
        if given:
            text = with_setting(text, table_of, setting, given, "sluicegate user add")
    done = "changed" if known else "added"
    about = {"name": name, "done": done, "roles": roles, "password": bool(hash)}
    if options.print_:
        lines = text.strip()
        write_result(about | {"done": "printed", "lines": lines}, lines, as_json=options.json)
        return
    if options.no_password and known:
        text = without(text, (*table_of, "password_hash"))
    _write(path, text)
    then = "it counts at once" if opened else "restart sluicegate serve"
    said = f"{name} {done} in {path}: {then}"
    write_result(about | {"file": str(path)}, said, as_json=options.json)


@user.command()
@command
def remove(session: Session, options: UserRemoveOptions) -> None:
    """Let a person log in no more.

    Their sessions at the desk end as well.

    \b
    Example:
      sluicegate user remove ann
    """
    path, name = _file(session), options.name
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if setting_at(text, (*_USERS, name)) is None:
        fail(f"{clean(name)}: {path} has no such person", BAD_INPUT)
    confirm(f"Let {name} log in no more?", options.yes)
    _write(path, without(text, (*_USERS, name)))
    said = f"{name} removed from {path}: it counts at once"
    about = {"name": name, "done": "removed", "file": str(path)}
    write_result(about, said, as_json=options.json)


@user.command("list")
@command
def list_(session: Session, options: UserListOptions) -> None:
    """List who may log in, and what each may do.

    \b
    Example:
      sluicegate user list
    """
    desk = session.config.web.desk
    users = desk.users if desk else {}
    if options.json:
        write_lines(
            {"name": name, "roles": one.roles, "password": bool(one.password_hash)}
            for name, one in users.items()
        )
        return
    if not users:
        typer.echo("nobody may log in: sluicegate user add NAME")
        return
    rows = table("NAME", "MAY", "LOGS IN BY")
    for name, one in users.items():
        way = "password" if one.password_hash else "proxy, Flower"
        rows.add_row(name, ", ".join(one.roles), way)
    write(rows)


def _roles(given: list[str] | None) -> list[Role]:
    roles = [role for role in ROLES if role in (given or ["look"])]
    if unknown := [role for role in given or () if role not in ROLES]:
        fail(f"--role {clean(unknown[0])}: a role is one of {', '.join(ROLES)}", BAD_INPUT)
    return roles


def _hashed() -> str:
    """The hash of the password that a person types, or a script pipes."""
    from sluicegate_ops.desk import passwords

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not passwords.LEAST <= len(password) <= passwords.MOST:
        most = f"{passwords.LEAST} to {passwords.MOST} characters"
        fail(f"a password has {most}; nothing was changed", BAD_INPUT)
    return passwords.hashed(password)


def _file(session: Session) -> Path:
    """The configuration that is in force, or that would be."""
    return Path(session.config_path or os.environ.get("SLUICEGATE_CONFIG") or "sluicegate.toml")


def _write(path: Path, text: str) -> None:
    """Replace the configuration whole, for whoever could read it before."""
    write_private(path, text, stat.S_IMODE(path.stat().st_mode) if path.exists() else None)
