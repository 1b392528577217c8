"""What to set in sluicegate.toml after a probe: only what its findings support."""

from sluicegate.config import Account

from .findings import Findings


def settings(findings: Findings, account: Account) -> dict[str, int | float]:
    """The settings to change, with their values; empty if they are right already.

    A limit means nothing without its window, so it is raised only if the window is known. A
    window that is inferred makes the configured one longer, never shorter.
    """
    changed: dict[str, int | float] = {}
    seconds, window = account.window_seconds, findings.window
    if _window_is_known(findings) and (
        window.source in ("policy", "count") or window.seconds > seconds
    ):
        seconds = window.seconds
    if findings.limits:
        limit = min(findings.limits)
        if limit < account.limit or (_window_is_known(findings) and limit > account.limit):
            changed["limit"] = limit
    if seconds != account.window_seconds:
        changed["window_seconds"] = seconds
    return changed


def remarks(findings: Findings, account: Account) -> list[str]:
    """What a person should know before relying on the rest."""
    texts = [
        "A limit is that of the path that was called: POST /messages may have its own. Workers "
        "adapt to what its answers say; the settings are where they start."
    ]
    if not findings.limits:
        texts.append("No answer named a limit: keep the one in your contract, or ask Telnyx.")
    elif not _window_is_known(findings):
        texts.append(
            f"The window for which {_row(findings.limits)} requests are allowed is not known. "
            "Make calls until it has passed (--calls, --interval-seconds) before you raise the "
            "limit."
        )
    elif findings.window.source == "reset":
        texts.append("The window is inferred from the reset header: the shortest that fits.")
    if len(findings.limits) > 1:
        texts.append(f"The limit changed meanwhile: {_row(findings.limits)}; the lowest is safe.")
    if findings.counting == "others":
        texts.append("Something else uses this key, or a call counts as several: leave room.")
    if findings.counting == "still":
        texts.append(
            "remaining never fell: calls to this path are not counted, or the quota comes back "
            "between two calls. A shorter --interval-seconds would show which."
        )
    if findings.skew and abs(findings.skew.seconds) > 2 + findings.skew.error_seconds:
        texts.append(
            "Set this host's clock by NTP: it differs from the provider's by more than 2 s."
        )
    return texts


def _window_is_known(findings: Findings) -> bool:
    return findings.window.seconds > 0 and findings.window.passed


def _row(limits: list[int]) -> str:
    return ", ".join(f"{limit:,}" for limit in limits)
