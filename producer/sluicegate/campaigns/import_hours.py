"""Where recipients wait that are imported into a campaign with hours."""

from collections.abc import Sequence

from .hours import HoursClass, HoursKeeper, SendingHours
from .plan import Plan
from .recipients import Recipient


class ImportHours:
    """The classes of one import: each is kept in Redis before its first recipient is."""

    def __init__(self, keeper: HoursKeeper, plan: Plan, begun: bool, starts_ms: int) -> None:
        """The campaign has ``begun``, or starts at ``starts_ms`` (wall), 0 for no such time."""
        self._keeper, self._plan = keeper, plan
        self._begun, self._starts_ms = begun, starts_ms
        self._names: dict[str, str] = {}

    def of(self, batch: Sequence[Recipient]) -> str:
        """Under which names recipients wait, as the script takes it; ``""`` without hours.

        Raises ValueError if one of them has no class, though the campaign has hours.
        """
        hours = self._plan.hours
        if hours is None:
            return ""
        found = [recipient.hours for recipient in batch]
        if not all(found):
            raise ValueError("a recipient has no class of hours: read them with Recipients")
        classes = {one.name: one for one in found if one and one.name not in self._names}
        if classes:
            self._put(hours, list(classes.values()))
        return "".join(f"{self._names[one.name]} " for one in found if one)

    def _put(self, hours: SendingHours, classes: list[HoursClass]) -> None:
        plan = self._plan
        self._names |= self._keeper.put(
            plan.name, hours, plan.expires_at, classes, self._starts_ms, not self._begun
        )
