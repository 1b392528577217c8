"""What trials in the field found about texts that show nothing, in numbered order."""

from pathlib import Path

import pytest

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.recipients import Recipients, Rejected
from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.rules import plain, validated
from support.messages import SENDER, plan


@pytest.mark.parametrize(
    "text",
    ["\u200b", "\u200d \ufeff", "\u2800", "\u3164", "\u00ad", "\u0301", "\x00", "Hi\x00",
     "\x1b[1m", "a\x7f"],
)  # fmt: skip
def test_17_what_shows_nothing_is_refused_at_every_door(tmp_path: Path, text: str) -> None:
    message = Message(to="+14155550100", sender=SENDER, text=text)
    assert plain(message) is None
    with pytest.raises(InvalidMessage) as caught:
        validated(message)
    assert caught.value.field == "text"
    path = tmp_path / "people.csv"
    path.write_text(f'phone,name\n+14155550100,"{text}"\n', encoding="utf-8")
    [row] = Recipients(plan(text="{{ name }}"), CsvFile(path))
    assert isinstance(row, Rejected)


@pytest.mark.parametrize("text", ["Hi\n\tthere\r\n", "\u200bHi", "👩\u200d👩", "e\u0301", "…"])
def test_17_what_shows_something_is_sent(text: str) -> None:
    message = Message(to="+14155550100", sender=SENDER, text=text)
    assert validated(message).text == text
    assert plain(message) is not None
