"""What a code means, what to do about it and where, from the worker's table."""

from sluicegate_worker.provider.codes import advice_for


def advised(code: str) -> dict[str, str]:
    """``means``, ``advice``, ``portal`` of a message's code; each is ``""`` if there is none."""
    advice = advice_for(code)
    if advice is None:
        return {"means": "", "advice": "", "portal": ""}
    return {"means": advice.means, "advice": advice.for_letter, "portal": advice.portal}
