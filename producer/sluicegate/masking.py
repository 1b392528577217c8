"""How much of a phone number may be shown: no log and no error holds a full one."""


def masked(number: object) -> str:
    """Shorten a phone number, or anything, for logs: ``+15551234567`` is ``+1555•••67``.

    At most the first 5 and the last 2 characters remain, and at least 5 are always hidden. A text
    of 7 characters or fewer is hidden altogether.
    """
    text = str(number)
    head = min(5, len(text) - 7)
    return f"{text[:head]}•••{text[-2:]}" if head > 0 else "•••"
