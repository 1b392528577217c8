"""What ``status`` tells of one thing that is wrong: what, why, and what to do."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Something that people should know; ``person`` if only a person can end it."""

    what: str
    why: str
    do: str
    person: bool = True
