"""URLs for receipts: each is made for one message and one relay, and for no other."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.errors import InvalidMessage
from sluicegate.webhook_urls import WebhookUrls, verified

SECRET = "a secret of sixteen"
URLS = WebhookUrls("https://sms.example/in", SECRET, "default")
RELAY = "https://app.example/hook?a=1&b=ü#c"


def parts(url: str) -> tuple[str, str, str, str | None]:
    """Account, id, mac and relay, as a server reads them."""
    split = urlsplit(url)
    account, id, mac = map(unquote, split.path.split("/")[-3:])
    return account, id, mac, parse_qs(split.query).get("relay", [None])[0]


def known(url: str, secret: str = SECRET) -> bool:
    account, id, mac, relay = parts(url)
    return verified((secret,), account, id, mac, relay)


def test_a_url_says_what_it_is_for() -> None:
    url = URLS.url("m1")
    assert url.startswith("https://sms.example/in/receipts/default/m1/")
    assert len(parts(url)[2]) == 20
    assert "?" not in url
    assert parts(URLS.url("july.a-b_c", RELAY))[1::2] == ("july.a-b_c", RELAY)


def test_the_same_message_has_the_same_url() -> None:
    again = WebhookUrls("https://sms.example/in", SECRET, "default")
    assert URLS.url("m1", RELAY) == again.url("m1", RELAY)


@pytest.mark.parametrize("relay", [None, RELAY])
def test_a_url_of_ours_is_known_again(relay: str | None) -> None:
    assert known(URLS.url("m1", relay))
    assert known(WebhookUrls("", SECRET, "default").url("m1", relay))  # wherever we are reached
    assert not known(URLS.url("m1", relay), "another secret, also long")


def test_nothing_of_it_can_be_exchanged() -> None:
    account, id, mac, relay = parts(URLS.url("m1", RELAY))
    assert not verified((SECRET,), "other", id, mac, relay)
    assert not verified((SECRET,), account, "m2", mac, relay)
    assert not verified((SECRET,), account, id, mac, None)
    assert not verified((SECRET,), account, id, mac, RELAY + "x")
    for wrong in ("", mac[:-1], mac + "A", mac.swapcase(), "é", "\ud800"):
        assert not verified((SECRET,), account, id, wrong, relay)


TEXTS = st.text(alphabet="ab/?%\n.é", max_size=6)


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_other_parts_have_the_same_mac(
    a: str, id_a: str, relay_a: str, b: str, id_b: str, relay_b: str
) -> None:
    mac = parts(WebhookUrls("", SECRET, a).url(id_a, relay_a))[2]
    same = (a, id_a, relay_a) == (b, id_b, relay_b)
    assert verified((SECRET,), b, id_b, mac, relay_b) == same


def test_a_relay_that_makes_it_too_long_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="too long to be passed on to") as caught:
        URLS.url("m1", "https://app.example/" + "&" * 650)
    assert (caught.value.field, caught.value.id) == ("webhook_url", "m1")
    assert len(URLS.url("m1", "https://app.example/" + "a" * 1800)) <= 2000
