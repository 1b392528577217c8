"""The command line: ``sluicegate status``, ``send``, ``message``, ``dead``, ``doubt`` and more."""


def main() -> None:
    """Run the command line on this process's arguments."""
    try:
        from .app import app
    except ModuleNotFoundError as error:  # every install has the script, but not typer
        message = f"sluicegate: {error.name} is missing; pip install 'sluicegate[ops]' brings it"
        raise SystemExit(message) from None
    app(prog_name="sluicegate")
