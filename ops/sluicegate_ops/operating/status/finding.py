"""What ``status`` tells of one thing that is wrong: what, why, and what to do."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Something that people should know; ``person`` if only a person can end it.

    ``kind`` is its name for programs. ``subject`` says what of its kind it is about, where an
    account may have several, and ``since_ms`` (wall) since when it is so, 0 where nobody knows.
    """

    what: str
    why: str
    do: str
    person: bool = True
    kind: str = ""
    subject: str = ""
    since_ms: float = 0.0
