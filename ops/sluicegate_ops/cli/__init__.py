"""The command line: ``sluicegate status``, ``send``, ``message``, ``dead``, ``doubt`` and more."""


def main() -> None:
    """Run the command line on this process's arguments."""
    try:
        from .app import app
    except ModuleNotFoundError as error:  # every install has the script, but not typer
        message = (
            f"sluicegate: {error.name} is missing: install Sluicegate with its extra ops, "
            "as with pip install '.[ops]' in a checkout"
        )
        raise SystemExit(message) from None
    app(prog_name="sluicegate")
