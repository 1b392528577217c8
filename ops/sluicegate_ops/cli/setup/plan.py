"""What one run of set-up would change: files, and the webhooks of messaging profiles."""

import difflib
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from sluicegate.config import Account, Config
from sluicegate.config.web import from_environment
from sluicegate_worker.provider.owned import KnownProfile, Owned

from .derived import Derived, derive
from .journal import FileBefore, SetupRun, WebhooksBefore, fingerprint, of_file, with_variables
from .written import SetupTarget, written


class PlannedFile(msgspec.Struct, frozen=True):
    """A file to write; ``before`` is None for a new one. What is ``secret`` is not shown."""

    path: Path
    before: str | None
    after: str
    secret: bool = False

    def diff(self) -> Iterator[str]:
        """The lines that change."""
        name, old = str(self.path), (self.before or "").splitlines()
        yield from difflib.unified_diff(old, self.after.splitlines(), name, name, lineterm="", n=1)


class SetupPlan(msgspec.Struct, frozen=True):
    """All changes; ``variables`` are the names that the environment file gets."""

    target: SetupTarget
    owned: Owned
    derived: Derived
    files: list[PlannedFile]
    variables: list[str]
    webhooks: list[WebhooksBefore]

    def run(self) -> SetupRun:
        """What the journal keeps of it."""
        files = [FileBefore(str(f.path), f.before, fingerprint(f.after)) for f in self.files]
        at, target = datetime.now(UTC).isoformat(timespec="seconds"), self.target
        return SetupRun(at, target.account, target.base_url, files, self.webhooks)


def planned(
    file: Path,
    config: Config | None,
    target: SetupTarget,
    owned: Owned,
    environ: Mapping[str, str],
) -> SetupPlan:
    """What to change so that ``file`` fits what is ``owned``; nothing is changed yet.

    ``config`` is what the file says now, None where there is none. Raises InvalidConfig.
    """
    derived, before = derive(owned), of_file(file)
    old = config.accounts.get(target.account) if config else None
    if old is not None and _limits_differ(old, derived):
        target = msgspec.structs.replace(target, limits_version=old.limits_version + 1)
    after = written(before or "", derived, owned, target, datetime.now(UTC))
    files = []
    if _plain(before or "") != _plain(after):
        files.append(PlannedFile(file, before, after))
    variables = dict(_variables(config, target, owned, environ))
    if variables:
        env = file.with_suffix(".env")
        text = of_file(env)
        more = with_variables(text or "", variables)
        if more != text:
            files.append(PlannedFile(env, text, more, secret=True))
    webhooks = list(_webhooks(derived, target))
    return SetupPlan(target, owned, derived, files, list(variables), webhooks)


def _variables(
    config: Config | None, target: SetupTarget, owned: Owned, environ: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What checks webhooks, where the environment does not have it: the key, and our secret."""
    settings = config or Config()
    account = settings.accounts.get(target.account, Account())
    if owned.public_key and not from_environment(account.public_key_env, environ):
        yield account.public_key_env, owned.public_key
    variable = settings.web.receipts_secret_env
    if target.public_url and not from_environment(variable, environ):
        yield variable, secrets.token_hex(32)


def _webhooks(derived: Derived, target: SetupTarget) -> Iterator[WebhooksBefore]:
    if not target.public_url:
        return
    wanted = f"{target.public_url}/receipts/{target.account}"
    for profile in derived.profiles:
        after: dict[str, str | None] = {}
        if profile.webhook_url != wanted:
            after["webhook_url"] = wanted
        if profile.webhook_failover_url:
            after["webhook_failover_url"] = None
        if profile.webhook_api_version != "2":
            after["webhook_api_version"] = "2"
        if after:
            before = {name: webhook_setting(profile, name) for name in after}
            yield WebhooksBefore(profile.id, profile.name, before, after)


def webhook_setting(profile: KnownProfile, name: str) -> str | None:
    """A profile's webhook setting; None where it is not set."""
    return str(getattr(profile, name)) or None


def _limits_differ(old: Account, derived: Derived) -> bool:
    parts = ((old.senders, derived.senders), (old.registrations, derived.registrations))
    return any(a != b for a, b in (*parts, (old.brands, derived.brands)))


def _plain(text: str) -> list[str]:
    """The lines that set something: a new date in a comment alone is no change."""
    return [line for line in text.splitlines() if not line.startswith("#")]
