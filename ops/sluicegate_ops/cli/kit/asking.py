"""The question that a command asks before it changes something."""

import typer

from .failures import fail


def confirm(question: str, yes: bool) -> None:
    """Ask, unless ``yes``; end the command if the answer is no, or if nobody can answer."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo(err=True)
        fail("nothing was done. Add --yes to do it without being asked")
    if not agreed:
        fail("nothing was done")


def confirm_typed(question: str, wanted: str, given: str) -> None:
    """Ask for the very word at stake, unless it was given; end the command if it differs."""
    if not given:
        try:
            given = typer.prompt(question, err=True)
        except typer.Abort:
            typer.echo(err=True)
            fail("nothing was done. Give it with --confirm to do it without being asked")
    if given.strip() != wanted:
        fail("that is not what is to be confirmed; nothing was done")
