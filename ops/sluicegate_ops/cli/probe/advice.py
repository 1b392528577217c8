"""What to set in sluicegate.toml after a probe: only what its findings support."""

from sluicegate.config import Account

from .findings import Findings


def settings(found: Findings, account: Account) -> dict[str, int | float]:
    """The settings to change, with their values; empty if they are right already.

    A limit means nothing without its window, so it is raised only if the window is known. A
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
    """What a person should know before relying on the rest."""
    told = [
        "A limit is that of the path that was called: POST /messages may have its own. Workers "
        "adapt to what its answers say; the settings are where they start."
    ]
    if not found.limits:
        told.append("No answer named a limit: keep the one in your contract, or ask Telnyx.")
    elif not _window_is_known(found):
        told.append(
            f"The window for which {_row(found.limits)} requests are allowed is not known. Make "
            "calls until it has passed (--calls, --interval-seconds) before you raise the limit."
        )
    elif found.window.source == "reset":
        told.append("The window is inferred from the reset header: the shortest that fits.")
    if len(found.limits) > 1:
        told.append(f"The limit changed meanwhile: {_row(found.limits)}; the lowest is safe.")
    if found.counting == "others":
        told.append("Something else uses this key, or a call counts as several: leave room.")
    if found.counting == "still":
        told.append(
            "remaining never fell: calls to this path are not counted, or the quota comes back "
            "between two calls. A shorter --interval-seconds would show which."
        )
    if found.skew and abs(found.skew.seconds) > 2 + found.skew.error_seconds:
        told.append(
            "Set this host's clock by NTP: it differs from the provider's by more than 2 s."
        )
    return told


def _window_is_known(found: Findings) -> bool:
    return found.window.seconds > 0 and found.window.passed


def _is_longer(found: Findings, account: Account) -> bool:
    return found.window.seconds > account.window_seconds


def _row(limits: list[int]) -> str:
    return ", ".join(f"{limit:,}" for limit in limits)
