"""How log lines are written: readable or as JSON, and never with a number or a secret in them.

Our own code logs no recipient and no key; ``Mask`` is the last resort, for the texts of a
library's exceptions. What a line is about goes into ``extra``, as any of ``FIELDS``.

    SLUICEGATE_LOG      json for one JSON object a line, text (or nothing) for people
"""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from sluicegate.config import Config
from sluicegate.config.web import from_environment, previous
from sluicegate.errors import InvalidConfig
from sluicegate.masking import masked
from sluicegate.redaction import Redaction

Style = Literal["text", "json"]

FIELDS: Final = ("account", "campaign", "app", "id", "code")
"""What a line may be about: an account, a campaign, an app, a message's id, an answer's code."""

_NUMBER = re.compile(r"(?:\+|%2B)[0-9]{8,}", re.IGNORECASE)
_KEY = re.compile(r"\bKEY[0-9A-Za-z_-]{8,}|(?<=Bearer )\S+|(?<=://)[^/\s@]*(?=@)")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_HIDDEN: Final = "•••"


class Mask(logging.Filter):
    """Masks numbers and keys in a record's text, its fields and its traceback.

    ``secrets`` are hidden wherever they occur. API keys in the provider's form, bearer tokens, and
    the part of a URL before its ``@`` are always hidden.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._redaction = Redaction(secrets, _HIDDEN)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.hide(_text(record)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.hide(record.exc_text)
        if record.stack_info:
            record.stack_info = self.hide(record.stack_info)
        for name in FIELDS:
            if hasattr(record, name):
                setattr(record, name, self.hide(str(getattr(record, name))))
        return True

    def hide(self, text: str) -> str:
        """``text`` with every number and secret masked."""
        text = _KEY.sub(_HIDDEN, self._redaction.hide(text))
        return _NUMBER.sub(lambda match: masked(match[0]), text)


class Readable(logging.Formatter):
    """``2026-01-31 09:00:00,000 WARNING text (account default, id m1)``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        about = ", ".join(f"{name} {value}" for name, value in _fields(record).items())
        line = super().formatMessage(record)
        return _on_one_line(f"{line} ({about})" if about else line)


class JsonLines(logging.Formatter):
    """One JSON object a line: at (UTC), level, logger, text, ``FIELDS``, error (a traceback)."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": _text(record),
            **_fields(record),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if error := "\n".join(filter(None, (record.exc_text, record.stack_info))):
            line["error"] = error
        return msgspec.json.encode(line).decode()


def style(environ: Mapping[str, str] = os.environ) -> Style:
    """The style that SLUICEGATE_LOG asks for; raises InvalidConfig if there is no such style."""
    match environ.get("SLUICEGATE_LOG", "").strip().lower():
        case "json":
            return "json"
        case "" | "text":
            return "text"
    raise InvalidConfig("SLUICEGATE_LOG", "must be json, or text (which it is unless set)")


def secrets_of(config: Config, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Every secret that the configuration names and the environment has."""
    names = {config.web.receipts_secret_env}
    names |= {app.token_env for app in config.web.apps.values()}
    for account in config.accounts.values():
        names |= {account.api_key_env, account.v1_webhook_secret_env}
    names |= set(config.notify.variables)
    names |= {database.url_env for database in config.databases.values()}
    names |= {"SLUICEGATE_REDIS_PASSWORD", "SLUICEGATE_BROKER_PASSWORD"}
    secrets = []
    for name in filter(None, names):
        for variable in (name, previous(name)):
            with suppress(InvalidConfig):  # whoever needs it says so; the others are hidden
                secrets.append(from_environment(variable, environ))
    return [secret for secret in secrets if secret]


def dress(logger: logging.Logger, style: Style, secrets: Iterable[str] = ()) -> None:
    """Make every handler of ``logger`` mask secrets and write in ``style``.

    Levels and destinations stay as they are.
    """
    mask = Mask(secrets)
    for handler in logger.handlers:
        for old in [known for known in handler.filters if isinstance(known, Mask)]:
            handler.removeFilter(old)
        handler.addFilter(mask)
        handler.setFormatter(JsonLines() if style == "json" else Readable())


def configure(level: int, style: Style, secrets: Iterable[str] = ()) -> None:
    """Log to standard error from ``level`` on, unless logging is set up; then ``dress`` it."""
    logging.basicConfig(level=level)
    dress(logging.getLogger(), style, secrets)


def _on_one_line(text: str) -> str:
    """``text`` with its control characters escaped: one that comes from outside forges no line."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a line with wrong arguments is still worth reading
        return f"{record.msg} {record.args}"


def _fields(record: logging.LogRecord) -> dict[str, str]:
    fields = ((name, str(getattr(record, name, ""))) for name in FIELDS)
    return {name: value for name, value in fields if value}
