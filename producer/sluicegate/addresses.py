"""Which hosts are this machine, and which addresses the internet reaches: one answer for all."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

# Public by their numbers, and inside by what answers there: Azure's host.
_INSIDE: Final = frozenset({IPv4Address("168.63.129.16")})

# IPv6 addresses that are a way to an IPv4 address, by where that stands in them.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_REFUSED: Final = tuple(
    map(
        ip_network,
        # A local NAT64, Teredo, site-local: newer Pythons know them, all must.
        ("64:ff9b:1::/48", "2001::/32", "fec0::/10", "192.0.0.0/24", "100.64.0.0/10", "0.0.0.0/8"),
    )
)


def address_of(host: str) -> IpAddress | None:
    """The address that a host is written as; None where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, is this machine itself."""
    name = host.strip("[]").rstrip(".").lower()
    address = address_of(name)
    if address is None:
        return name == "localhost"
    return plain(address).is_loopback


def plain(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one leads to, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    number = int(address)
    mapped = address.ipv4_mapped
    if mapped is not None:
        return mapped
    if address in _NAT64 or (address in _COMPATIBLE and number > 1):
        return IPv4Address(number & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address((number >> 80) & 0xFFFF_FFFF)
    return address


def is_public(address: IpAddress) -> bool:
    """Whether an address is one of the internet's: nothing local, private, shared or reserved.

    Metadata services of clouds are not, and neither is IPv6 that leads to such an IPv4 address.
    """
    there = plain(address)
    if there in _INSIDE or _among(there, _REFUSED):
        return False
    return there.is_global and not (there.is_multicast or there.is_reserved)


def is_permitted(address: IpAddress, networks: Iterable[IpNetwork]) -> bool:
    """Whether an address is public, or lies in one of ``networks``."""
    return is_public(address) or _among(plain(address), networks)


def _among(address: IpAddress, networks: Iterable[IpNetwork]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
