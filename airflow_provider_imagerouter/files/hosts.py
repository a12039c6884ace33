"""Which hosts are public, and which are of a private network or this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import suppress

_IPV4_IN_IPV6 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that a network without IPv4 translates (RFC 6052)."""


def is_public_address(address: str) -> bool:
    """
    Return whether an address is one of the public internet.

    :param address: IPv4 or IPv6; one with another inside it is what that is
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        elif ip in _IPV4_IN_IPV6:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast


def is_public_name(host: str) -> bool:
    """
    Return whether a host may be public, as far as its name tells; nothing is looked up.

    :param host: a name, or an address in any notation
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return False
    with suppress(OSError):
        name = socket.inet_ntoa(socket.inet_aton(name))  # 127.1 and 0x7f000001 are addresses, too
    try:
        return is_public_address(name)
    except ValueError:
        return True


async def addresses_of(host: str, port: int | None) -> list[str]:
    """
    Look a host up.

    :param host: a name or an address
    :param port: TCP port
    :raises OSError: if there is no such host
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
