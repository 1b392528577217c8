"""Replies that a person should read, as they are shown."""

import msgspec

from sluicegate.stored import ReviewedNumber

from .words import hidden


def masked_review(review: ReviewedNumber, full: bool) -> ReviewedNumber:
    """The reply with its phone numbers hidden, unless ``full``."""
    return msgspec.structs.replace(
        review, number=hidden(review.number, full), text=hidden(review.text, full)
    )
