"""What commands say, to somebody who fills in a form and knows none of their options."""

import re
from collections.abc import Mapping
from typing import Final

_FIELDS: Final[Mapping[str, str]] = {
    "--at": "Starts at",
    "--at-local": "Not before",
    "--hours": "Only in these hours",
    "--preset": "Only in hours that laws set",
    "--zone": "Zone of those of whom none is known",
    "--holidays": "Not on the holidays of",
    "--expires-at": "Not after",
    "--max-cost": "Pause before it costs more than",
    "--max-messages": "Pause at so many messages",
    "--canary": "So many first",
    "--pause-if": "Pause at a share",
    "--rate": "Its own rate",
    "--where": "Only rows such as",
    "--not-reached-for": "Leave out whom anything reached in",
    "--except-campaign": "Leave out whom this campaign reached",
    "--region": "Country of numbers without +",
    "--to-column": "Column of phone numbers",
    "--from": "From",
    "--profile": "Messaging profile",
    "--key": "Column that identifies people",
    "--sheet": "Sheet of a workbook",
    "--to": "Your number",
    "--failed": "Codes to try again",
    "--as": "Name of the new campaign",
    "--with FILE": "below, under The file it was from",
}
"""What the form calls what an option of a command is."""


def in_words_of_the_form(line: str) -> str:
    """What a command says, where it speaks of its own options, to somebody who fills in a form."""
    said = line.strip().removeprefix("sluicegate: ")
    for option, words in _FIELDS.items():
        said = re.sub(rf"{option}(?![\w-])", words, said)
    return said
