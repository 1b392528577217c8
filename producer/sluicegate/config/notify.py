"""Settings of notices: whom ``sluicegate notify`` tells that a person is needed, and how often."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from ..addresses import is_loopback
from ..errors import InvalidConfig
from .senders import SettingFaults
from .web import Port, from_environment, is_web_url, variable_faults

Security = Literal["starttls", "tls", "none"]

_ADDRESS = re.compile(r"[^\s@<>,;\x00-\x20]{1,64}@[A-Za-z0-9.-]{1,253}")
_ADDRESSES = 'a list of mail addresses: ["oncall@example.com"]'
MailAddresses = Annotated[tuple[str, ...], msgspec.Meta(description=_ADDRESSES)]
Pause = Annotated[float, msgspec.Meta(ge=5, le=3_600)]
Quiet = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where notices go: to a webhook as Slack takes it, by mail, or both.

    ``webhook_url_env`` is the variable of the webhook's URL, which is a secret; without a value
    there is no webhook. Mail goes to ``mail_to`` by way of ``smtp_host``; ``smtp_password_env`` is
    the variable of ``smtp_user``'s password. The account is looked at ``every_seconds``; what has
    been told is told again, as something more has come or it has come back, after
    ``quiet_seconds`` at the earliest.
    """

    webhook_url_env: str = "SLUICEGATE_NOTIFY_WEBHOOK_URL"
    mail_to: MailAddresses = ()
    mail_from: str = ""
    smtp_host: str = ""
    smtp_port: Port = 587
    smtp_security: Security = "starttls"
    smtp_user: str = ""
    smtp_password_env: str = "SLUICEGATE_SMTP_PASSWORD"  # noqa: S105 - the variable's name
    every_seconds: Pause = 30.0
    quiet_seconds: Quiet = 900.0

    def webhook_url(self, environ: Mapping[str, str] = os.environ) -> str:
        """The webhook's URL, "" without one; raises InvalidConfig, which does not repeat it."""
        url = from_environment(self.webhook_url_env, environ)
        if url and not is_web_url(url):
            raise InvalidConfig(
                self.webhook_url_env, "must be an https URL, or http on a loopback host"
            )
        return url

    def smtp_password(self, environ: Mapping[str, str] = os.environ) -> str:
        """The password of ``smtp_user``, "" without one; raises InvalidConfig if it is missing."""
        if not self.smtp_user:
            return ""
        password = from_environment(self.smtp_password_env, environ)
        if not password:
            raise InvalidConfig(self.smtp_password_env, f"set it: {self.smtp_user}'s password")
        return password

    @property
    def variables(self) -> tuple[str, ...]:
        """Those that hold secrets."""
        return (self.webhook_url_env, self.smtp_password_env)


_NEEDED: Final = {
    "mail_from": "mail needs a sender's address: the one that your server lets it send from",
    "smtp_host": "mail needs the host of an SMTP server",
}


def notify_faults(notify: NotifySettings) -> SettingFaults:
    """Yield what the types can't check."""
    names = ("webhook_url_env", "smtp_password_env")
    yield from variable_faults({name: getattr(notify, name) for name in names})
    addresses = {"mail_to": notify.mail_to, "mail_from": tuple(filter(None, [notify.mail_from]))}
    for name, listed in addresses.items():
        if not all(map(_ADDRESS.fullmatch, listed)):
            yield (name,), "each must be a bare mail address, such as oncall@example.com"
    if notify.mail_to:
        for name, why in _NEEDED.items():
            if not getattr(notify, name):
                yield (name,), why
    plain = notify.smtp_security == "none" and not is_loopback(notify.smtp_host)
    if notify.smtp_user and plain:
        yield ("smtp_security",), "a password would go unencrypted: use starttls or tls"
