"""SOCKS5, the client's side: RFC 1928, with user names and passwords as in RFC 1929. Pure."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from transfer.address import Address
from transfer.errors import DecodeError
from transfer.proxy.errors import ProxyError, ProxyTargetError, ProxyTargetRefusedError
from transfer.proxy.proxy import Proxy


class SocksError(DecodeError):
    """Bytes that are not SOCKS5."""


class Command(IntEnum):
    """What a client asks for (RFC 1928, section 4)."""

    CONNECT = 1
    UDP_ASSOCIATE = 3


class Socks5Handshake:
    """A `ProxyHandshake` that asks for a stream to a target, or for a way for datagrams.

    Never raises for what the proxy says, and keeps at most what the longest answer takes.

    Args:
        target: its host may be a name, which the proxy looks up. None asks for a way for datagrams.

    Raises:
        ProxyTargetError: the name is too long for SOCKS5.
    """

    def __init__(self, proxy: Proxy, target: Address | None) -> None:
        self.error: ProxyError | None = None
        self.bound: Address | None = None
        self.received = b""
        self._proxy = proxy
        self._target = target
        command = Command.UDP_ASSOCIATE if target is None else Command.CONNECT
        # We do not know yet from where our datagrams come, as behind a NAT: zeros (RFC 1928, section 4).
        self._request = bytes([VERSION, command, 0]) + encode_address(target or Address("0.0.0.0", 0))
        methods = bytes([NO_AUTHENTICATION] if proxy.username is None else [NO_AUTHENTICATION, USER_AND_PASSWORD])
        self._outgoing = bytes([VERSION, len(methods)]) + methods
        self._methods = methods
        self._buffer = b""
        self._step = self._receive_method

    def receive_data(self, data: bytes) -> None:
        """As `ProxyHandshake.receive_data`."""
        self._buffer += data
        while self.error is None and self.bound is None and self._step():
            pass
        if self.bound is not None:
            self.received, self._buffer = self._buffer, b""
        elif self.error is not None:
            self._buffer = b""

    def receive_eof(self) -> None:
        """As `ProxyHandshake.receive_eof`."""
        if self.error is None and self.bound is None:
            self.error = ProxyError(f"the proxy {self._proxy} ended the connection before it had answered")

    def data_to_send(self) -> bytes:
        """As `ProxyHandshake.data_to_send`."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    # The answers, in their order. Each step says whether there may be more to do.

    def _receive_method(self) -> bool:
        if self._buffer[:1] != bytes([VERSION])[: len(self._buffer)]:
            return self._fail("speaks no SOCKS5: is it an HTTP proxy, or the wrong port?")
        if len(self._buffer) < 2:
            return False
        method, self._buffer = self._buffer[1], self._buffer[2:]
        if method == NO_ACCEPTABLE_METHOD:
            wants = "wants a user name and a password" if self._proxy.username is None else "takes no user name"
            return self._fail(f"{wants}: try socks5://USER:PASSWORD@HOST:PORT")
        if method not in self._methods:
            return self._fail("answers with a way to log in that it was not offered")
        if method == USER_AND_PASSWORD:
            assert self._proxy.username is not None
            assert self._proxy.password is not None
            words = [self._proxy.username.encode(), self._proxy.password.encode()]
            self._outgoing += bytes([1]) + b"".join(bytes([len(word)]) + word for word in words)
            self._step = self._receive_verdict
        else:
            self._ask()
        return True

    def _receive_verdict(self) -> bool:
        if len(self._buffer) < 2:
            return False
        verdict, self._buffer = self._buffer[1], self._buffer[2:]
        if verdict != 0:
            return self._fail("does not know this user name and password: check them")
        self._ask()
        return True

    def _ask(self) -> None:
        self._outgoing += self._request
        self._step = self._receive_answer

    def _receive_answer(self) -> bool:
        buffer = self._buffer
        if buffer[:1] != bytes([VERSION])[: len(buffer)]:
            return self._fail("answers in no SOCKS5")
        if len(buffer) < 2:
            return False
        if buffer[1] != 0:  # the rest of such an answer says nothing, and some proxies leave it out
            self.error = self._refusal(buffer[1])
            return False
        try:
            found = decode_address(buffer, 3)
        except SocksError:
            return self._fail("answers in no SOCKS5")
        if found is None:
            return False
        self.bound, end = found
        self._buffer = buffer[end:]
        return False

    def _refusal(self, code: int) -> ProxyError:
        proxy, target = self._proxy, self._target
        if target is None:
            if code == 7:
                return ProxyError(f"the proxy {proxy} carries no datagrams (UDP associate is not supported)")
            return ProxyError(f"the proxy {proxy} carries no datagrams for us: {_REPLIES.get(code, f'code {code}')}")
        if code == 5:
            return ProxyTargetRefusedError(f"no program listens at {target}, says the proxy {proxy}")
        if code == 2:
            return ProxyTargetError(f"the proxy {proxy} refuses to connect to {target}: its rules do not allow it")
        reason = _REPLIES.get(code, f"code {code}")
        return ProxyTargetError(f"the proxy {proxy} cannot connect to {target}: {reason}")

    def _fail(self, what: str) -> bool:
        self.error = ProxyError(f"the proxy {self._proxy} {what}")
        return False


def encode_address(address: Address) -> bytes:
    """Type, host and port as SOCKS5 has them (RFC 1928, section 5).

    Raises:
        ProxyTargetError: the host is a name that no proxy takes.
    """
    return _encoded_host(address.host) + address.port.to_bytes(2, "big")


@lru_cache(maxsize=4096)
def _encoded_host(host: str) -> bytes:
    try:
        ip = ip_address(host)
    except ValueError:
        try:
            name = host.encode("ascii") if host.isascii() else host.encode("idna")
        except UnicodeError:
            name = b""
        if not 0 < len(name) <= 255:
            raise ProxyTargetError(f"{host[:80]!r} is no name that a proxy can look up") from None
        return bytes([NAME, len(name)]) + name
    return bytes([IPV4 if ip.version == 4 else IPV6]) + ip.packed


def decode_address(data: bytes, start: int) -> tuple[Address, int] | None:
    """The address whose type is at `start`, and where it ends; None while it is not all there.

    An IPv6 address that stands for an IPv4 one is that one.

    Raises:
        SocksError: it is none.
    """
    if len(data) < start + 2:
        return None
    kind, size = data[start], data[start + 1]
    if kind == IPV4:
        first, end = start + 1, start + 5
    elif kind == IPV6:
        first, end = start + 1, start + 17
    elif kind == NAME:
        first, end = start + 2, start + 2 + size
        if not size:
            raise SocksError("an address without a host")
    else:
        raise SocksError(f"{kind} is no type of address")
    if len(data) < end + 2:
        return None
    raw = data[first:end]
    port = data[end] << 8 | data[end + 1]
    if kind == IPV4:
        host = str(IPv4Address(raw))
    elif kind == IPV6:
        ip = IPv6Address(raw)
        host = str(ip.ipv4_mapped or ip)
    else:
        try:
            host = raw.decode("ascii")
        except UnicodeDecodeError:
            raise SocksError("a host name that is not ASCII") from None
        if not host.isprintable() or " " in host:
            raise SocksError("a host name with characters that no name has")
    return Address(host, port), end + 2


@lru_cache(maxsize=4096)
def datagram_header(target: Address) -> bytes:
    """What goes before a datagram to `target` (RFC 1928, section 7).

    Raises:
        ProxyTargetError: the host is a name that no proxy takes.
    """
    return b"\0\0\0" + encode_address(target)


def split_datagram(data: bytes) -> tuple[Address, int]:
    """From whom a datagram of the proxy is, and where its payload begins.

    Raises:
        SocksError: it is none, or a fragment: nobody sends them, and to put them together would mean to store what
            strangers send (RFC 1928 leaves it to the client).
    """
    if len(data) < 4 or data[0] or data[1]:
        raise SocksError("no header of SOCKS5")
    if data[2]:
        raise SocksError("a fragment")
    found = decode_address(data, 3)
    if found is None:
        raise SocksError("a header that is cut off")
    return found


VERSION = 5
NO_AUTHENTICATION, USER_AND_PASSWORD, NO_ACCEPTABLE_METHOD = 0, 2, 255
IPV4, NAME, IPV6 = 1, 3, 4
MAX_HEADER_BYTES = 3 + 1 + 16 + 2  # of a datagram with an IP address
_REPLIES = {  # RFC 1928, section 6
    1: "it says no more than that it failed",
    2: "its rules do not allow it",
    3: "the network cannot be reached",
    4: "the host cannot be reached",
    5: "no program listens there",
    6: "the way there is too long",
    7: "it does not know the command",
    8: "it does not know this type of address",
}
