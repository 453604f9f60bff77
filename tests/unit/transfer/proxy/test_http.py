"""HTTP CONNECT, as RFC 9110 and RFC 9112 have it."""

from __future__ import annotations

import pytest

from transfer.address import Address
from transfer.proxy.errors import ProxyError, ProxyTargetError
from transfer.proxy.handshake import new_handshake
from transfer.proxy.http import ConnectHandshake
from transfer.proxy.proxy import Proxy

PROXY = Proxy.parse("http://proxy.example:3128")
KNOWN = Proxy.parse("http://Aladdin:open%20sesame@proxy.example")
TARGET = Address("192.0.2.7", 6881)


def test_a_stream() -> None:
    handshake = ConnectHandshake(PROXY, TARGET)
    assert handshake.data_to_send() == b"CONNECT 192.0.2.7:6881 HTTP/1.1\r\nHost: 192.0.2.7:6881\r\n\r\n"
    handshake.receive_data(b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\npayload")
    assert (handshake.received, handshake.error) == (b"payload", None)
    assert handshake.bound is not None


def test_a_password_and_an_ipv6_target() -> None:
    """The words and their code are the example of RFC 7617, section 2."""
    request = ConnectHandshake(KNOWN, Address("2001:db8::1", 80)).data_to_send()
    assert request.startswith(b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in request


def test_an_answer_for_the_meantime_is_followed_by_the_real_one() -> None:
    handshake = ConnectHandshake(PROXY, TARGET)
    handshake.receive_data(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.0 200\r\n\r\n")
    assert handshake.bound is not None


@pytest.mark.parametrize("host", ["a b", "a\r\nX: y", "", "x" * 256, "ü" * 70])
def test_no_target_reaches_beyond_its_line(host: str) -> None:
    with pytest.raises(ProxyTargetError):
        ConnectHandshake(PROXY, Address(host, 80))


@pytest.mark.parametrize(
    ("proxy", "said", "kind", "text"),
    [
        (PROXY, b"\x05\x00", ProxyError, "speaks no HTTP: is it a SOCKS5 proxy, or the wrong port"),
        (PROXY, b"SSH-2.0-OpenSSH\r\n", ProxyError, "speaks no HTTP"),
        (PROXY, b"HTTP/1.1 20 OK\r\n\r\n", ProxyError, "answers in no HTTP"),
        (PROXY, b"HTTP/1.1 407 No\r\n\r\n", ProxyError, "wants a user name and a password: try http://USER:PASSWORD@"),
        (KNOWN, b"HTTP/1.0 401 Unauthorized\r\n\r\n", ProxyError, "does not know this user name and password"),
        (KNOWN, b"HTTP/1.1 407 No\r\n\r\n", ProxyError, "does not know this user name and password"),
        (
            PROXY,
            b"HTTP/1.1 403 Filtered\x1b[31m\r\nA: b\r\n\r\n",
            ProxyTargetError,
            "192.0.2.7:6881 (403 Filtered [31m)",
        ),
        (PROXY, b"HTTP/1.1 502 Bad Gateway\r\n\r\n", ProxyTargetError, "cannot connect to 192.0.2.7:6881 (502 Bad"),
        (PROXY, b"HTTP/1.1 500\r\n\r\n", ProxyTargetError, "cannot connect to 192.0.2.7:6881 (500)"),
        (PROXY, b"HTTP/1.1 301 Moved\r\nLocation: http://x\r\n\r\n", ProxyTargetError, "cannot connect"),
        (PROXY, b"HTTP/1.1 200 OK\r\n" + 20_000 * b"A", ProxyError, "more than 16384 bytes of header"),
        (PROXY, 3000 * b"HTTP/1.1 100 Go on\r\n\r\n", ProxyError, "bytes of header"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(proxy: Proxy, said: bytes, kind: type[ProxyError], text: str) -> None:
    handshake = ConnectHandshake(proxy, TARGET)
    for start in range(0, len(said), 7):
        handshake.receive_data(said[start : start + 7])
    assert type(handshake.error) is kind
    assert text in str(handshake.error)
    assert str(handshake.error).isprintable()
    assert "sesame" not in str(handshake.error)
    assert handshake.bound is None


def test_a_connection_that_ends_too_early() -> None:
    handshake = ConnectHandshake(PROXY, TARGET)
    handshake.receive_data(b"HTTP/1.1 200 OK\r\n")
    handshake.receive_eof()
    assert "ended the connection before it had answered" in str(handshake.error)


def test_http_has_no_way_for_datagrams() -> None:
    with pytest.raises(ProxyError, match="carries no datagrams"):
        new_handshake(PROXY, None)
