"""A message that the provider accepted twice, as it is kept until a person has dealt with it."""

from typing import NamedTuple

from ..errors import Malformed


class AcceptedTwice(NamedTuple):
    """When it was found (wall ms), the recipient, and the provider's two ids.

    Mirrored by ``keep_second`` in ``acceptance.lua``.
    """

    at_ms: int
    to: str
    first: str
    second: str

    @classmethod
    def parse(cls, text: bytes | str) -> "AcceptedTwice":
        """Read ``at_ms|to|first|second``, a field of the hash; raises Malformed."""
        whole = text.decode(errors="replace") if isinstance(text, bytes) else text
        try:
            at, to, first, second = whole.split("|", 3)
            return cls(int(at), to, first, second)
        except ValueError as error:
            raise Malformed("acceptance", text) from error

    def format(self) -> str:
        return f"{self.at_ms}|{self.to}|{self.first}|{self.second}"
