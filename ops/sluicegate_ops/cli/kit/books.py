"""The account's books at the provider, opened for one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.config import Account
from sluicegate_worker.provider.owned import AccountBooks, Unread
from sluicegate_worker.provider.registry import provider_of

from ...operating.session import Session
from .failures import BAD_INPUT, FAILED, fail


@contextmanager
def books(session: Session) -> Iterator[AccountBooks]:
    """The books of the session's account; ends the command with what the provider doesn't tell.

    Raises InvalidConfig.
    """
    account = session.account
    with books_with(account, account.api_key(), session) as opened:
        try:
            yield opened
        except Unread as error:
            status = BAD_INPUT if error.status in (400, 404, 422) else FAILED
            fail(f"the provider does not tell: {error}{_advice(error, account)}", status)


@contextmanager
def books_with(account: Account, key: str, session: Session) -> Iterator[AccountBooks]:
    """The books of an account, read with ``key``; what the provider doesn't tell is ``Unread``."""
    factory = provider_of(account).books
    if factory is None:
        fail(f"API {account.api} can't be asked: name another account", BAD_INPUT)
    import httpx  # heavy, and few commands need it

    timeout = httpx.Timeout(account.read_timeout_seconds, connect=account.connect_timeout_seconds)
    with httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client:
        yield factory(account, key, client, session.sleep)


def _advice(error: Unread, account: Account) -> str:
    if error.status in (401, 403):
        return f". Is {account.api_key_env} the account's key, and may it do that?"
    return ""
