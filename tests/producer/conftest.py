"""What the tests of files of recipients share."""

from support.csv_files import write as write
