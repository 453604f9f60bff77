"""Searching for gateways that speak UPnP (SSDP, UPnP Device Architecture 1.1, section 1.3): the datagrams."""

from __future__ import annotations

from urllib.parse import urlsplit

from transfer.address import Address, is_ip_address
from transfer.errors import DecodeError


class SsdpError(DecodeError):
    """A datagram is no answer to a search for gateways."""


def encode_search(target: str, group: Address) -> bytes:
    """Who is a `target`? Answers come to where this is sent from."""
    return (
        f'M-SEARCH * HTTP/1.1\r\nHOST: {group}\r\nMAN: "ssdp:discover"\r\nMX: {MAX_WAIT_S}\r\nST: {target}\r\n\r\n'
    ).encode()


def decode_answer(data: bytes, *, source: str) -> str:
    """Where the description of a gateway is.

    Args:
        source: the IP address that the answer came from. A description elsewhere is not fetched: whoever is in the
            local network could make us ask anybody for anything.

    Raises:
        SsdpError: it is no answer, or not that of a gateway, or names another host.
    """
    first, *lines = data[:MAX_BYTES].decode("latin-1").replace("\r\n", "\n").split("\n")
    words = first.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or words[1] != "200":
        raise SsdpError("the datagram is no answer to a search")
    headers: dict[str, str] = {}
    for line in lines[:MAX_HEADERS]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    if not any(target in headers.get("st", "") for target in _KINDS):
        raise SsdpError("the answer is not that of a gateway")
    url = headers.get("location", "")
    if not is_url_of(url, source):
        raise SsdpError("the answer does not say where on its host the description is")
    return url


def is_url_of(url: str, host: str) -> bool:
    """Whether this is an HTTP URL at that IP address, on any port."""
    if not url.isprintable() or len(url) > MAX_URL_CHARS:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.hostname or ""
    return parts.scheme == "http" and port != 0 and is_ip_address(named) and named == host and parts.username is None


GROUP = Address("239.255.255.250", 1900)
TARGETS = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "upnp:rootdevice",
)
"""What is searched for: not every gateway answers to each of them."""
MAX_WAIT_S = 1
MAX_BYTES = 4096
MAX_HEADERS = 64
MAX_URL_CHARS = 1024
_KINDS = ("InternetGatewayDevice", "WANIPConnection", "WANPPPConnection", "upnp:rootdevice")
