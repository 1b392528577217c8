"""The texts in several languages that a campaign's options name, and the column that chooses."""

import re
from collections.abc import Sequence
from pathlib import Path

from sluicegate.campaigns.columns import naming, variable
from sluicegate.campaigns.languages import language_code
from sluicegate.campaigns.recipients import RowReading
from sluicegate.campaigns.row_source import RowSource
from sluicegate.campaigns.template import Template
from sluicegate.errors import BadTemplate

from ..kit.failures import BAD_INPUT, fail
from ..kit.files import read_text

_COLUMN = re.compile("lang|language|locale|sprache|idioma|langue|lingua|taal")


def texts_by_language(given_texts: Sequence[str]) -> dict[str, str]:
    """The texts by language that --language gives; each is sound by itself."""
    texts: dict[str, str] = {}
    for given in given_texts:
        name, _, file = given.partition("=")
        code = language_code(name)
        if code is None or not file:
            fail(f"--language {given}: write LANGUAGE=FILE, such as de=text.de.txt", BAD_INPUT)
        if code in texts:
            fail(f"--language {given}: {code} has a text already", BAD_INPUT)
        texts[code] = read_text(Path(file)).strip()
        try:
            Template(texts[code])
        except BadTemplate as error:
            if "can't be a variable" not in error.reason:  # a column's own name is put right later
                fail(f"{file}, line {error.line}: {error.reason}", BAD_INPUT)
    return texts


def language_column(sheet: RowSource, reading: RowReading) -> str:
    """The one column of languages, as a plan names it."""
    mapped = [name for name in reading.columns if _COLUMN.fullmatch(name)]
    if len(mapped) == 1:
        return mapped[0]
    columns = sheet.columns
    found = [at for at, name in enumerate(columns) if _COLUMN.fullmatch(variable(name))]
    if len(found) != 1:
        what = "several columns look" if found else "no column looks"
        fail(f"{what} like languages: name it with --language-column", BAD_INPUT)
    return naming(columns, found[0])
