"""Which connections may be open, and who makes room."""

import pytest

from sluicegate_ops.web.peers import Peers, Proxies, peer_of


class Guest:
    """A connection that notes whether it was shown out."""

    def __init__(self, *, busy: bool = False) -> None:
        self.busy, self.out = busy, False

    def show_out(self) -> None:
        self.out = True


def entered(peers: Peers, address: str, count: int = 1, *, busy: bool = False) -> list[Guest]:
    guests = [Guest(busy=busy) for _ in range(count)]
    assert all(peers.enter(guest, address) for guest in guests)
    return guests


def test_who_waited_longest_makes_room_for_its_own_address() -> None:
    peers = Peers(10, 2)
    [other] = entered(peers, "10.0.0.1")
    first, second, third = entered(peers, "10.0.0.2", 3)
    assert [guest.out for guest in (other, first, second, third)] == [False, True, False, False]
    assert len(peers) == 3


def test_who_was_answered_begins_to_wait_anew() -> None:
    peers = Peers(10, 2)
    first, second = entered(peers, "10.0.0.2", 2)
    peers.renew(first)
    entered(peers, "10.0.0.2")
    assert (first.out, second.out) == (False, True)


def test_who_is_being_answered_stays_and_a_newcomer_is_refused() -> None:
    peers = Peers(10, 2)
    busy = entered(peers, "10.0.0.2", 2, busy=True)
    assert not peers.enter(Guest(), "10.0.0.2")
    assert peers.enter(Guest(), "10.0.0.3")
    assert not any(guest.out for guest in busy)


def test_in_a_full_house_the_address_with_most_makes_room() -> None:
    peers = Peers(4, 3)
    [honest] = entered(peers, "10.0.0.1")
    many = entered(peers, "10.0.0.2", 3)
    entered(peers, "10.0.0.3")
    assert (honest.out, [guest.out for guest in many]) == (False, [True, False, False])


def test_in_a_full_house_of_the_busy_nobody_else_comes_in() -> None:
    peers = Peers(2, 2)
    entered(peers, "10.0.0.1", 2, busy=True)
    assert not peers.enter(Guest(), "10.0.0.2")
    assert len(peers) == 2


def test_another_address_makes_room_where_those_of_the_largest_are_busy() -> None:
    peers = Peers(3, 2)
    entered(peers, "10.0.0.1", 2, busy=True)
    [waiting] = entered(peers, "10.0.0.2")
    entered(peers, "10.0.0.3")
    assert waiting.out


def test_a_proxy_may_have_all_connections() -> None:
    peers = Peers(10, 2, Proxies(["10.0.0.0/24", "2001:db8::5"]))
    entered(peers, "10.0.0.7", 5)
    entered(peers, "2001:db8::5", 5)
    assert len(peers) == 10
    assert "2001:db8::6" not in Proxies(["2001:db8::5"])
    assert "10.0.0.7" in Proxies(["10.0.0.7"])
    assert "::ffff:10.0.0.7" in Proxies(["10.0.0.7"])
    assert "" not in Proxies(["10.0.0.7"])


def test_who_leaves_leaves_nothing_behind() -> None:
    peers = Peers(10, 5)
    guests = entered(peers, "10.0.0.1", 5)
    for guest in [*guests, *guests]:
        peers.leave(guest)
        peers.renew(guest)
    assert len(peers) == 0


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a socket's path", ""),
    ],
)
def test_a_host_counts_once_whatever_address_it_chooses(address: str, peer: str) -> None:
    assert peer_of(address) == peer
