"""What the tests of the command line share."""

from support.command_line import cli as cli
