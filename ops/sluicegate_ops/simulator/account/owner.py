"""Who owns a message's sender: the checks on it, and the profile that it belongs to."""

from re import compile as pattern

from ..api.payload import PROFILE
from ..api.validation import Body, Refusal
from .holdings import Holdings, OwnedProfile

_NUMBER = pattern(r"\+[0-9]+|[0-9]{3,8}")


class Owner:
    """Finds a message's messaging profile among what the account owns.

    With nothing owned, any sender may send, and there is one profile without settings.
    """

    def __init__(self, holdings: Holdings) -> None:
        self._any = not holdings
        self._profiles = {profile.id: profile for profile in holdings.profiles}
        self._senders: dict[object, str | None] = {
            number.phone_number: number.messaging_profile_id for number in holdings.numbers
        }
        self._senders |= {one.short_code: one.messaging_profile_id for one in holdings.short_codes}

    def profile_id(self, body: Body) -> str:
        """The id of the messaging profile that sends a message."""
        if isinstance(body.messaging_profile_id, str) and body.messaging_profile_id:
            return body.messaging_profile_id
        return self.profile_of_sender(body.from_)

    def profile_of_sender(self, sender: object) -> str:
        """The id of a sender's messaging profile, or of the default one."""
        return self._senders.get(sender) or PROFILE

    def profile(self, id: str) -> OwnedProfile | None:
        """An owned profile; None where there is none of that id."""
        return self._profiles.get(id)

    def refusal(self, body: Body) -> Refusal | None:
        """Why the account may not send a message that is well formed; None if it may."""
        if self._any:
            return None
        sender = body.from_
        if isinstance(sender, str) and _NUMBER.fullmatch(sender) and not self._senders.get(sender):
            return Refusal("bad_from", "/from")
        profile = self._profiles.get(self.profile_id(body))
        if profile is None or (sender in self._senders and self._senders[sender] != profile.id):
            return Refusal("bad_from", "/messaging_profile_id")
        if not profile.enabled:
            return Refusal("disabled")
        if not _allowed(str(body.to), profile):
            return Refusal("bad_region", "/to")
        return None


def _allowed(to: str, profile: OwnedProfile) -> bool:
    if "*" in profile.whitelisted_destinations:
        return True
    import phonenumbers  # heavy, and only a list of destinations needs it

    number = phonenumbers.parse(to)
    code = phonenumbers.region_code_for_number(number)  # None for one that is not in use
    code = code or phonenumbers.region_code_for_country_code(number.country_code or 0)
    return code in profile.whitelisted_destinations
