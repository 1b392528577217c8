"""Which connections may be open: so many in all, so many of one peer; who waits makes room.

A flood must not keep anybody out. Where there is no room, the connection that has waited longest
for its client ends: of the newcomer's own peer if that one has all that it may have, otherwise of
the peer that has most. A client that sends its request at once is never the one that waited.
"""

from collections.abc import Container, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Protocol

_NETWORK_OF_ONE = 64  # a host chooses its own address in such a network of IPv6


class Guest(Protocol):
    """A connection, as it is seen here."""

    @property
    def busy(self) -> bool:
        """Whether its whole request is here and is being answered."""

    def show_out(self) -> None:
        """End it at once, to make room."""


class Proxies:
    """The addresses, or networks, of whoever speaks for many clients."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ip_network(network) for network in networks]

    def __contains__(self, address: object) -> bool:
        ip = _ip(str(address))
        return ip is not None and any(ip in network for network in self._networks)


class Peers:
    """The open connections: at most ``most``, and ``most_of_one`` of each peer but ``proxies``."""

    def __init__(self, most: int, most_of_one: int, proxies: Container[str] = ()) -> None:
        self.most, self.most_of_one, self._proxies = most, min(most, most_of_one), proxies
        self._peers: dict[str, dict[Guest, None]] = {}  # those that began to wait first come first
        self._peer: dict[Guest, str] = {}

    def __len__(self) -> int:
        return len(self._peer)

    def enter(self, guest: Guest, address: str) -> bool:
        """Let a connection in; False where all of those that could make room are busy."""
        peer = peer_of(address)
        own = self._peers.get(peer, {})
        full = len(own) >= self.most_of_one and address not in self._proxies
        if full and not self._make_room(own):
            return False
        if len(self) >= self.most and not any(map(self._make_room, self._by_size())):
            return False
        self._peers.setdefault(peer, {})[guest] = None
        self._peer[guest] = peer
        return True

    def leave(self, guest: Guest) -> None:
        """Forget a connection; one that isn't here is ignored."""
        peer = self._peer.pop(guest, None)
        if peer is not None:
            own = self._peers[peer]
            del own[guest]
            if not own:
                del self._peers[peer]

    def renew(self, guest: Guest) -> None:
        """A request of it was answered: it begins to wait anew."""
        if guest in self._peer:
            own = self._peers[self._peer[guest]]
            del own[guest]
            own[guest] = None

    def _make_room(self, guests: dict[Guest, None]) -> bool:
        waiting = next((guest for guest in guests if not guest.busy), None)
        if waiting is None:
            return False
        self.leave(waiting)
        waiting.show_out()
        return True

    def _by_size(self) -> list[dict[Guest, None]]:
        return sorted(self._peers.values(), key=len, reverse=True)


def peer_of(address: str) -> str:
    """Whom an address belongs to: itself or, of IPv6, the network that one host has."""
    ip = _ip(address)
    if isinstance(ip, IPv6Address):
        return str(ip_network((ip, _NETWORK_OF_ONE), strict=False))
    return str(ip or "")


def _ip(address: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(ip, IPv6Address) and ip.ipv4_mapped) or ip
