"""What people did, as it is shown."""

from collections.abc import Iterator

import msgspec

from sluicegate.audit import Entry

from .words import hidden


def which_of(entry: Entry) -> Iterator[str]:
    """What was acted on, in words."""
    yield from entry.ids
    for name, text in entry.filter.items():
        yield f"{name.replace('_', '-')}={text}"
    if entry.generation is not None:
        yield f"generation={entry.generation}"
    if entry.sender:
        yield f"from={entry.sender}"
    if entry.text:
        yield f"text={entry.text}"


def masked_entry(entry: Entry, full: bool) -> Entry:
    """The entry without phone numbers and texts, unless ``full``."""
    if full:
        return entry
    text = f"{len(entry.text)} characters" if entry.text else ""
    return msgspec.structs.replace(entry, why=hidden(entry.why), text=text)
