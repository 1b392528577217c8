"""Who takes notices: a webhook in the form that Slack takes, and mail over SMTP."""

import os
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol

import msgspec

from sluicegate.config.notify import NotifySettings
from sluicegate.stored import Notice

from ..operating.words import counted

_TIMEOUT_SECONDS = 10.0
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MOST_WAIT_SECONDS = 3_600.0


class NotTaken(Exception):
    """A receiver did not take notices: why, without its URL; wait ``seconds`` if it says so."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class Receiver(Protocol):
    """Takes notices of one account; ``name`` is what its list in Redis is called."""

    name: str

    def send(self, title: str, notices: Sequence[Notice]) -> None:
        """Raises NotTaken."""


class Webhook:
    """Slack's incoming webhooks, and whatever takes the same: Mattermost, Rocket.Chat, Discord."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, title: str, notices: Sequence[Notice]) -> None:
        import httpx  # heavy, and few commands need it

        body = msgspec.json.encode({"text": slack_text(title, notices)})
        headers = {"content-type": "application/json"}
        try:
            with httpx.Client(
                timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
            ) as client:
                answer = client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:  # its text may name the URL, which is a secret
            raise NotTaken(f"the webhook does not answer: {type(error).__name__}") from None
        if not answer.is_success:
            wait = _seconds(answer.headers.get("retry-after", ""))
            raise NotTaken(f"the webhook answers HTTP {answer.status_code}", wait)


class Mail:
    """Mail, one for all notices of one look."""

    name = "mail"

    def __init__(self, settings: NotifySettings, password: str) -> None:
        self._settings, self._password = settings, password

    def send(self, title: str, notices: Sequence[Notice]) -> None:
        settings = self._settings
        mail = EmailMessage()
        mail["Subject"], mail["From"] = title, settings.mail_from
        mail["To"] = ", ".join(settings.mail_to)
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="sluicegate.invalid")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(plain_text(title, notices))
        try:
            server = self._server()
            try:
                if settings.smtp_user:
                    server.login(settings.smtp_user, self._password)
                server.send_message(mail)
            finally:  # what was taken stays taken, however the server says goodbye
                with suppress(OSError, smtplib.SMTPException):
                    server.quit()
        except (OSError, smtplib.SMTPException) as error:
            raise NotTaken(f"mail is not taken: {_cause(error)}") from None

    def _server(self) -> smtplib.SMTP:
        settings = self._settings
        at, tls = (settings.smtp_host, settings.smtp_port), ssl.create_default_context()
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(*at, timeout=_TIMEOUT_SECONDS, context=tls)
        server = smtplib.SMTP(*at, timeout=_TIMEOUT_SECONDS)
        if settings.smtp_security == "starttls":
            try:
                server.starttls(context=tls)
            except BaseException:
                server.close()
                raise
        return server


def receivers_of(
    settings: NotifySettings, environ: Mapping[str, str] = os.environ
) -> list[Receiver]:
    """Those that are set up; raises InvalidConfig."""
    receivers: list[Receiver] = []
    if url := settings.webhook_url(environ):
        receivers.append(Webhook(url))
    if settings.mail_to:
        receivers.append(Mail(settings, settings.smtp_password(environ)))
    return receivers


def title_of(account: str, notices: Sequence[Notice]) -> str:
    """One line that says whether a person is needed."""
    needed = sum(notice.person for notice in notices)
    if needed:
        verdict = counted(needed, "thing needs a person", "things need a person")
    else:
        verdict = notices[0].what if len(notices) == 1 else counted(len(notices), "notice")
    return f"sluicegate, account {account}: {verdict}"


def plain_text(title: str, notices: Sequence[Notice]) -> str:
    """The title, and each notice below it."""
    parts = [title]
    for notice in notices:
        lines = [notice.what]
        lines += [f"    why: {notice.why}"] * bool(notice.why)
        lines += [f"    do:  {notice.do}"] * bool(notice.do)
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def slack_text(title: str, notices: Sequence[Notice]) -> str:
    """The same in Slack's own form, in which nothing of it means anything."""
    parts = [f"*{title.translate(_SLACK)}*"]
    for notice in notices:
        lines = [notice.what, *[f"why: {notice.why}"] * bool(notice.why)]
        lines += [f"do: {notice.do}"] * bool(notice.do)
        parts.append("\n".join(lines).translate(_SLACK))
    return "\n\n".join(parts)


def _seconds(text: str) -> float:
    return min(float(text), _MOST_WAIT_SECONDS) if text.isascii() and text.isdigit() else 0.0


def _cause(error: OSError | smtplib.SMTPException) -> str:
    """What a server answered by its code alone: its words may repeat addresses."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"SMTP {error.smtp_code}"
    return type(error).__name__
