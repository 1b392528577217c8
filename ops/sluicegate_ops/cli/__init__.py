"""The command line: ``sluicegate status``, ``send``, ``message``, ``dead``, ``doubt`` and more."""


def main() -> None:
    """Run it on this process's arguments."""
    try:
        from .app import app
    except ModuleNotFoundError as error:  # the script comes with every install, typer does not
        needed = f"sluicegate: {error.name} is missing; pip install 'sluicegate[ops]' brings it"
        raise SystemExit(needed) from None
    app(prog_name="sluicegate")
