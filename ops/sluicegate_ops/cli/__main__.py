"""``python -m sluicegate_ops.cli``: the command line without its installed script."""

from . import main

main()
