"""The daily spend cap: how many messages each messaging profile may send until midnight."""

_DAY_SECONDS = 86_400


class Spending:
    """One credential's messages of a day (UTC), by messaging profile."""

    def __init__(self) -> None:
        self._day = -1
        self._spent: dict[str, int] = {}

    def has_room(self, profile: str, cap: int, wall: float) -> bool:
        """Whether the profile may send one more message at ``wall``, in Unix seconds."""
        day = int(wall // _DAY_SECONDS)
        if day != self._day:
            self._day, self._spent = day, {}
        return self._spent.get(profile, 0) < cap

    def count(self, profile: str) -> None:
        """Count one more message, on the day of the last ``has_room``."""
        self._spent[profile] = self._spent.get(profile, 0) + 1
