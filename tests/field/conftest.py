"""What the tests of the field share: the command line, and files of recipients."""

from support.command_line import cli as cli
from support.csv_files import write as write
