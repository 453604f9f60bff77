"""SOCKS5, byte by byte as in RFC 1928 and RFC 1929."""

from __future__ import annotations

import pytest

from transfer.address import Address
from transfer.proxy.errors import ProxyError, ProxyTargetError, ProxyTargetRefusedError
from transfer.proxy.proxy import Proxy
from transfer.proxy.socks5 import Socks5Handshake, SocksError, datagram_header, decode_address, split_datagram

PROXY = Proxy.parse("socks5://proxy.example:1080")
KNOWN = Proxy.parse("socks5://ann:secret@proxy.example")
TARGET = Address("192.0.2.7", 6881)
CONNECTED = bytes.fromhex("05000001 c6336401 d903")


def test_a_stream_without_a_password() -> None:
    handshake = Socks5Handshake(PROXY, TARGET)
    assert handshake.data_to_send() == bytes.fromhex("050100")
    handshake.receive_data(bytes.fromhex("0500"))
    assert handshake.data_to_send() == bytes.fromhex("05010001 c0000207 1ae1")
    handshake.receive_data(CONNECTED + b"payload")
    assert (handshake.bound, handshake.received, handshake.error) == (Address("198.51.100.1", 55555), b"payload", None)
    assert handshake.data_to_send() == b""


def test_a_way_for_datagrams_with_a_password() -> None:
    """What libtorrent sends, byte for byte."""
    handshake = Socks5Handshake(KNOWN, None)
    assert handshake.data_to_send() == bytes.fromhex("05020002")
    handshake.receive_data(bytes.fromhex("0502"))
    assert handshake.data_to_send() == b"\x01\x03ann\x06secret"
    handshake.receive_data(bytes.fromhex("0100"))
    assert handshake.data_to_send() == bytes.fromhex("05030001 00000000 0000")
    handshake.receive_data(bytes.fromhex("05000004 00000000000000000000000000000001 1234"))
    assert handshake.bound == Address("::1", 0x1234)


def test_a_proxy_that_asks_for_no_password_gets_none() -> None:
    handshake = Socks5Handshake(KNOWN, TARGET)
    handshake.data_to_send()
    handshake.receive_data(bytes.fromhex("0500"))
    assert b"secret" not in handshake.data_to_send()


@pytest.mark.parametrize(
    ("host", "encoded"),
    [
        ("tracker.example", b"\x03\x0ftracker.example"),
        ("bücher.example", b"\x03\x15xn--bcher-kva.example"),
        ("2001:db8::1", b"\x04" + bytes.fromhex("20010db8000000000000000000000001")),
    ],
)
def test_the_proxy_is_given_names_as_names(host: str, encoded: bytes) -> None:
    handshake = Socks5Handshake(PROXY, Address(host, 80))
    handshake.data_to_send()
    handshake.receive_data(bytes.fromhex("0500"))
    assert handshake.data_to_send() == b"\x05\x01\x00" + encoded + b"\x00\x50"


@pytest.mark.parametrize("host", ["a" * 256, "", "ü" * 70])
def test_a_name_that_no_proxy_takes(host: str) -> None:
    with pytest.raises(ProxyTargetError, match="no name that a proxy can look up"):
        Socks5Handshake(PROXY, Address(host, 80))


@pytest.mark.parametrize(
    ("proxy", "said", "text"),
    [
        (PROXY, b"HTTP/1.1 400 Bad Request", "speaks no SOCKS5: is it an HTTP proxy, or the wrong port"),
        (PROXY, b"\x04\x5a", "speaks no SOCKS5"),
        (PROXY, b"\x05\xff", "wants a user name and a password: try socks5://USER:PASSWORD@HOST:PORT"),
        (KNOWN, b"\x05\xff", "takes no user name"),
        (PROXY, b"\x05\x02", "a way to log in that it was not offered"),
        (KNOWN, b"\x05\x01", "a way to log in that it was not offered"),
        (KNOWN, b"\x05\x02\x01\x01", "does not know this user name and password"),
        (PROXY, b"\x05\x00\x04\x00", "answers in no SOCKS5"),
        (PROXY, b"\x05\x00\x05\x00\x00\x02\x00\x00", "answers in no SOCKS5"),
        (PROXY, b"\x05\x00\x05\x00\x00\x03\x00\x00\x00", "answers in no SOCKS5"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(proxy: Proxy, said: bytes, text: str) -> None:
    handshake = Socks5Handshake(proxy, TARGET)
    for byte in said:
        handshake.receive_data(bytes([byte]))
    assert type(handshake.error) is ProxyError
    assert text in str(handshake.error)
    assert "proxy.example:1080" in str(handshake.error)
    assert "secret" not in str(handshake.error)
    assert handshake.bound is None


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (2, ProxyTargetError, "its rules do not allow it"),
        (4, ProxyTargetError, "the host cannot be reached"),
        (5, ProxyTargetRefusedError, "no program listens at 192.0.2.7:6881"),
        (99, ProxyTargetError, "code 99"),
    ],
)
def test_a_target_that_cannot_be_reached(code: int, kind: type[ProxyError], text: str) -> None:
    handshake = Socks5Handshake(PROXY, TARGET)
    handshake.receive_data(bytes([5, 0, 5, code]))
    assert type(handshake.error) is kind
    assert text in str(handshake.error)


@pytest.mark.parametrize("code", [1, 2, 7])
def test_a_proxy_without_datagrams_is_no_matter_of_a_target(code: int) -> None:
    handshake = Socks5Handshake(PROXY, None)
    handshake.receive_data(bytes([5, 0, 5, code]))
    assert type(handshake.error) is ProxyError
    assert "carries no datagrams" in str(handshake.error)


def test_a_connection_that_ends_too_early() -> None:
    handshake = Socks5Handshake(PROXY, TARGET)
    handshake.receive_data(b"\x05")
    handshake.receive_eof()
    assert "ended the connection before it had answered" in str(handshake.error)


def test_datagrams_have_a_header_for_each_target() -> None:
    assert datagram_header(TARGET) == bytes.fromhex("000000 01 c0000207 1ae1")
    assert datagram_header(Address("t.example", 80)) == b"\0\0\0\x03\x09t.example\0\x50"
    data = datagram_header(Address("2001:db8::1", 1)) + b"payload"
    assert split_datagram(data) == (Address("2001:db8::1", 1), 22)
    assert split_datagram(bytes.fromhex("000000 04 00000000000000000000ffff c0000207 1ae1"))[0] == TARGET


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        bytes.fromhex("000001 01 c0000207 1ae1") + b"a fragment",
        bytes.fromhex("000100 01 c0000207 1ae1"),
        bytes.fromhex("000000 01 c0000207 1a"),
        bytes.fromhex("000000 02 c0000207 1ae1"),
        b"\0\0\0\x03\x00\0\x50",
        b"\0\0\0\x03\x03a\nb\0\x50",
        b"\0\0\0\x03\x02\xc3\xbc\0\x50",
    ],
)
def test_datagrams_without_a_right_header(data: bytes) -> None:
    with pytest.raises(SocksError):
        split_datagram(data)


def test_an_address_that_is_not_all_there_is_waited_for() -> None:
    whole = b"\x03\x02ab\x00\x50"
    assert all(decode_address(whole[:size], 0) is None for size in range(len(whole)))
    assert decode_address(whole, 0) == (Address("ab", 80), len(whole))
