"""HTTP proxies, the client's side: the CONNECT method (RFC 9110, section 9.3.6, over HTTP/1.1, RFC 9112). Pure."""

from __future__ import annotations

import base64
import re

from transfer.address import Address
from transfer.proxy.errors import ProxyError, ProxyTargetError
from transfer.proxy.proxy import Proxy


class ConnectHandshake:
    """A `ProxyHandshake` that asks for a stream to a target.

    Never raises for what the proxy says. Its answer may have `max_header_bytes`; what comes behind it is the target's.

    Args:
        target: its host may be a name, which the proxy looks up.

    Raises:
        ProxyTargetError: the host is no name that can stand in a request.
    """

    def __init__(self, proxy: Proxy, target: Address, *, max_header_bytes: int = 16_384) -> None:
        self.error: ProxyError | None = None
        self.bound: Address | None = None
        self.received = b""
        self._proxy = proxy
        self._target = target
        self._max_header_bytes = max_header_bytes
        self._buffer = b""
        self._outgoing = connect_request(proxy, target)

    def receive_data(self, data: bytes) -> None:
        """As `ProxyHandshake.receive_data`."""
        if self._is_over:
            return
        self._buffer += data
        while self._read_answer():
            pass
        if self.error is not None:
            self._buffer = b""

    def receive_eof(self) -> None:
        """As `ProxyHandshake.receive_eof`."""
        if self.error is None and self.bound is None:
            self._fail("ended the connection before it had answered")

    def data_to_send(self) -> bytes:
        """As `ProxyHandshake.data_to_send`."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    @property
    def _is_over(self) -> bool:
        return self.error is not None or self.bound is not None

    def _read_answer(self) -> bool:
        """Whether there may be another answer, since this one was only for the meantime (1xx)."""
        buffer = self._buffer
        if not _PREFIX.startswith(buffer[: len(_PREFIX)]):
            return self._fail("speaks no HTTP: is it a SOCKS5 proxy, or the wrong port?")
        end = _END.search(buffer, 0, self._max_header_bytes)
        if end is None:
            if len(buffer) >= self._max_header_bytes:
                self._fail(f"answers with more than {self._max_header_bytes} bytes of header")
            return False
        status = _STATUS.match(buffer)
        if status is None:
            return self._fail("answers in no HTTP")
        self._buffer = buffer[end.end() :]
        code = int(status[1])
        if 100 <= code < 200 and code != 101:
            self._max_header_bytes -= end.end()
            return True
        if 200 <= code < 300:
            self.bound = Address("", 0)  # it does not say from where it connects
            self.received, self._buffer = self._buffer, b""
        else:
            self.error = self._refusal(code, _printable(status[2] or b""))
        return False

    def _refusal(self, code: int, reason: str) -> ProxyError:
        proxy, target, said = self._proxy, self._target, f"{code} {reason}".rstrip()
        if code in (401, 407):  # tinyproxy 1.11 says 401 of a wrong password, and 407 of none
            known = "does not know this user name and password: check them"
            unknown = "wants a user name and a password: try http://USER:PASSWORD@HOST:PORT"
            return ProxyError(f"the proxy {proxy} {unknown if proxy.username is None else known}")
        if code in (400, 403, 405, 501):
            return ProxyTargetError(f"the proxy {proxy} refuses to connect to {target} ({said})")
        return ProxyTargetError(f"the proxy {proxy} cannot connect to {target} ({said})")

    def _fail(self, what: str) -> bool:
        self.error = ProxyError(f"the proxy {self._proxy} {what}")
        return False


def connect_request(proxy: Proxy, target: Address) -> bytes:
    """The request.

    Raises:
        ProxyTargetError: the host is no name that can stand in it.
    """
    try:
        host = target.host if target.host.isascii() else target.host.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host) or len(host) > 255:
        raise ProxyTargetError(f"{target.host[:80]!r} is no name that a proxy can look up")
    authority = str(Address(host, target.port))
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.username is not None:
        lines.append(f"Proxy-Authorization: {basic_login(proxy)}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


def basic_login(proxy: Proxy) -> str:
    """User name and password as a header has them (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()


def _printable(text: bytes) -> str:
    """What a stranger says, so that it can be shown."""
    return "".join(sign if sign.isprintable() else " " for sign in text.decode("latin-1"))[:80].strip()


_PREFIX = b"HTTP/1."
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9][0-9])(?: ([^\r\n]*))?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_HOST = re.compile(r"[0-9A-Za-z._:-]+")
