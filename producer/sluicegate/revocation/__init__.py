"""What a reply asks for: to be sent nothing more, to be sent to again, or a person's eye."""

from .languages import LANGUAGES, OPT_IN, languages_of
from .normal import normalised
from .verdicts import Hearing, ReplyVerdict

__all__ = ["LANGUAGES", "OPT_IN", "Hearing", "ReplyVerdict", "languages_of", "normalised"]
