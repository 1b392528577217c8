"""``python -m sluicegate_ops.cli``: the command line, also where no script is installed."""

from . import main

main()
