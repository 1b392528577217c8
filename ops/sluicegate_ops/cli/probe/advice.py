"""What to set in sluicegate.toml after a probe: only what its findings bear out."""

from sluicegate.config import Account

from .findings import Findings


def settings(found: Findings, account: Account) -> dict[str, int | float]:
    """The settings to change, with their values; none where they stand right already.

    A limit is nothing without its window, so it is raised only where the window is known; and a
    window that is inferred makes the configured one longer, never shorter.
    """
    changed: dict[str, int | float] = {}
    seconds = account.window_seconds
    if _window_is_known(found) and (found.window.source == "policy" or _is_longer(found, account)):
        seconds = found.window.seconds
    if found.limits:
        limit = min(found.limits)
        if limit < account.limit or (_window_is_known(found) and limit > account.limit):
            changed["limit"] = limit
    if seconds != account.window_seconds:
        changed["window_seconds"] = seconds
    return changed


def remarks(found: Findings, account: Account) -> list[str]:
    """What a person should know before believing the rest."""
    told = [
        "A limit is told for the path that was called: POST /messages may have one of its own. "
        "Workers go by what its answers say; the settings are where they start."
    ]
    if not found.limits:
        told.append("No answer told a limit: keep the one that your contract or Telnyx names.")
    elif not _window_is_known(found):
        told.append(
            f"For which window {_row(found.limits)} requests are allowed was not seen. Call until "
            "it has passed (--calls, --interval-seconds) before you raise the limit."
        )
    elif found.window.source == "reset":
        told.append("The window is inferred from the reset header: the shortest that fits it.")
    if len(found.limits) > 1:
        told.append(f"The limit changed meanwhile: {_row(found.limits)}; the least is safe.")
    if found.counting == "others":
        told.append("Something else uses this key, or a call counts as several: leave it room.")
    if found.counting == "still":
        told.append(
            "remaining never fell: calls to this path are not counted, or quota comes back "
            "between two of them. A shorter --interval-seconds tells."
        )
    if found.skew and abs(found.skew.seconds) > 2 + found.skew.error_seconds:
        told.append("Set this host's clock by NTP: it is more than 2 s off the provider's.")
    return told


def _window_is_known(found: Findings) -> bool:
    return found.window.seconds > 0 and found.window.passed


def _is_longer(found: Findings, account: Account) -> bool:
    return found.window.seconds > account.window_seconds


def _row(limits: list[int]) -> str:
    return ", ".join(f"{limit:,}" for limit in limits)
