"""Where a partner may make the gateway call: the guard of its HTTP client.

Source: RFC 6890 and the IANA registries of special addresses; RFC 4291 2.5.5.2 (mapped), RFC 3056
(6to4), RFC 4380 (Teredo), RFC 6052 (NAT64) for IPv4 addresses inside IPv6 addresses.
Rules: an origin is one that stands in the party's options; without any there, https on port 443.
The address is public, or in a network that the operator has allowed; IPv4 inside IPv6 counts as
IPv4.
Why: URLs come from partners (versions, endpoints, pages, answers) and names are resolved by their
name servers. So the address is judged on which the connection is then made, not one asked before:
a name that changes its mind between two questions gains nothing.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

from gateway.errors import Refused

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_OWN = (
    IPv4Network("192.0.0.0/24"),  # whole: what of it is global depends on the version of Python
    IPv4Network("168.63.129.16/32"),  # public by its number, but the host's own at one provider
    IPv4Network("192.88.99.0/24"),  # RFC 7526: relays of 6to4, deprecated
    IPv6Network("3fff::/20"),  # RFC 9637: documentation, newer than some versions of Python
)
_GLOBAL_6 = IPv6Network("2000::/3")
"""All that IANA has given out; what is beside it is local, or means another address."""


class Reach:
    """What one party may make the gateway call."""

    def __init__(self, urls: Iterable[str] = (), networks: Iterable[Network] = ()) -> None:
        """``urls``: those that the operator has written down for the party."""
        self._origins = frozenset(filter(None, map(origin, urls)))
        self._networks = tuple(networks)

    def url(self, url: str) -> None:
        """Refuse a URL of an origin that is not the party's; raises Refused."""
        found = origin(url)
        if found in self._origins:
            return
        if self._origins or not (found.startswith("https://") and found.endswith(":443")):
            raise Refused(f"{found or 'the URL'} is no origin agreed with this party")

    def address(self, text: str) -> None:
        """Refuse an address that is about to be connected to; raises Refused."""
        address = _meant(ip_address(text))
        if not is_public(address) and not any(address in each for each in self._networks):
            raise Refused(
                "the host has an address that may not be called (allow_networks opens it)"
            )

    def closed(self) -> list[str]:
        """The origins written down that can never be called, as far as their hosts tell by
        themselves."""
        return sorted(filter(self._is_closed, self._origins))

    def _is_closed(self, origin: str) -> bool:
        host = urlsplit(origin).hostname or ""
        try:
            self.address("127.0.0.1" if host == "localhost" else host)
        except Refused:
            return True
        except ValueError:
            return False  # a name: what it leads to is seen when it is called
        return False


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the internet.

    >>> is_public(ip_address("192.0.2.1")), is_public(ip_address("9.9.9.9"))
    (False, True)
    """
    if any(address in network for network in _OWN):
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_6:
        return False
    return address.is_global and not (address.is_multicast or address.is_unspecified)


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address if there is one, else the address."""
    inner: IPv4Address | None = None
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo:
            inner = address.teredo[1]
        if inner is None and any(address in network for network in _NAT64):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and int(address) >> 32 == 0 and int(address) > 1:
            inner = IPv4Address(int(address))  # RFC 4291 2.5.5.1: IPv4-compatible
    return inner or address


def network(text: str) -> Network:
    """A network or a single address; raises ValueError."""
    return ip_network(text, strict=True)


def origin(url: str) -> str:
    """Scheme, host and port of an http or https URL as one text; empty when it has none."""
    return _known_origin(url) if len(url) <= _SHORT else _origin(url)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in PORTS or not host or port == 0:
        return ""
    host = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(host) or "@" in parts.netloc:
        return ""
    return f"{parts.scheme}://{host}:{port or PORTS[parts.scheme]}"


_SHORT = 300
"""Characters of a URL whose origin is remembered: a partner may tell long ones."""
_known_origin = lru_cache(1024)(_origin)
