"""``sluicegate profile set-webhook``: where the provider sends a profile's webhooks."""

from typing import Annotated

import typer

from sluicegate.config.web import is_web_url
from sluicegate.urls import MAX_URL
from sluicegate_worker.provider.owned import KnownProfile

from ...operating.session import Session
from ...operating.words import clean
from ..kit.acts import by_whom, note
from ..kit.asking import confirm
from ..kit.books import books
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail, say
from ..kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from ..kit.output import write_result
from .listing import ProfileArgument, screen, webhook_url

NOWHERE = "none"


@option_set
class SetWebhookOptions:
    """The options of ``profile set-webhook``."""

    id: ProfileArgument
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where webhooks go; this deployment if absent, or none."),
    ] = None
    failover_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where they go if that fails; unchanged if absent."),
    ] = None
    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@command
def set_webhook(session: Session, options: SetWebhookOptions) -> None:
    """Point a profile's webhooks here, or elsewhere.

    Replies, and so STOP, come by them. It shows what was there before and asks.

    \b
    Example:
      sluicegate profile set-webhook 40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3
      sluicegate profile set-webhook 40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3 --url none
    """
    url = options.url or webhook_url(session.config, session.name)
    if not url:
        fail("web.public_url is not set: set it, or name a URL with --url", BAD_INPUT)
    wanted = {"webhook_url": _checked("--url", url)}
    if options.failover_url is not None:
        wanted["webhook_failover_url"] = _checked("--failover-url", options.failover_url)
    session.client  # noqa: B018 - the audit must be within reach before anything is changed
    with books(session) as opened:
        before = opened.profile(options.id)
        changes = {name: new for name, new in wanted.items() if (_of(before, name) or None) != new}
        if before.webhook_api_version not in ("1", "2") and url != NOWHERE:
            changes["webhook_api_version"] = "2"
        if not changes:
            _tell(session, before, "nothing to change", as_json=options.json)
            return
        told = [f"profile {before.id} ({clean(before.name)}):"]
        told += [f"  {name}: {_of(before, name) or NOWHERE} -> {new or NOWHERE}"
                 for name, new in changes.items()]  # fmt: skip
        if options.yes:
            say("\n".join(told))
        confirm("\n".join([*told, "Change it?"]), options.yes)
        by = by_whom(options.who, options.why, needed=False)
        after = opened.set_webhooks(options.id, changes)
    about = {"profile": options.id}
    about |= {f"{name} before": _of(before, name) or NOWHERE for name in changes}
    about |= {name: new or NOWHERE for name, new in changes.items()}
    note(session, by, "set webhook", about)
    left = [name for name, new in changes.items() if (_of(after, name) or None) != new]
    if left:
        fail(f"the provider took it and shows another {', '.join(left)}: look again")
    _tell(session, after, "changed", as_json=options.json)


def _checked(option: str, url: str) -> str | None:
    if url == NOWHERE:
        return None
    if not is_web_url(url) or len(url) > MAX_URL or not url.isprintable() or " " in url:
        reason = "must be an https URL (http on a loopback host), or none"
        fail(f"{option} {clean(url)}: {reason}", BAD_INPUT)
    return url


def _of(profile: KnownProfile, name: str) -> str:
    return str(getattr(profile, name))


def _tell(session: Session, profile: KnownProfile, done: str, *, as_json: bool) -> None:
    shown = screen(profile, session.config, session.name)
    write_result(
        shown, f"{done}: webhooks go to {shown.webhook_url or 'nowhere'}", as_json=as_json
    )
