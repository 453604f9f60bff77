"""What people, sockets and strangers write as an endpoint."""

from __future__ import annotations

import pytest

from transfer.address import (
    Address,
    AddressError,
    is_plausible_from,
    is_usable_peer,
    join_compact,
    packed_host,
    split_compact,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:6881", Address("127.0.0.1", 6881)),
        ("[::1]:6881", Address("::1", 6881)),
        ("[0:0:0:0:0:0:0:1]:6881", Address("::1", 6881)),
        ("[2001:DB8::1]:80", Address("2001:db8::1", 80)),
        ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
        ("router.bittorrent.com:6881", Address("router.bittorrent.com", 6881)),
        ("example.org.:1", Address("example.org.", 1)),
        ("bücher.example:1", Address("bücher.example", 1)),
        ("  localhost:0\n", Address("localhost", 0)),
        ("localhost:00080", Address("localhost", 80)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_parse(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":80",
        "localhost",
        "localhost:",
        "localhost:-1",
        "localhost:+80",
        "localhost: 80",
        "localhost:8_0",
        "localhost:80x",
        "localhost:65536",
        "localhost:１２",  # noqa: RUF001  (full-width digits are digits to Python, not to people)
        "localhost:" + "9" * 5000,  # more digits than `int` takes
        "::1:80",
        "[::1]",
        "[::1]80",
        "[]:80",
        "[::1:80",
        "[127.0.0.1]:80",
        "[localhost]:80",
        "[::1%]:80",
        "[abc:80",
        "abc]:80",
        "a b:80",
        "a\nb:80",
        "a\x00b:80",  # `getaddrinfo` raises ValueError
        "a" * 64 + ".example:80",  # `getaddrinfo` raises UnicodeError
        "a..b:80",
        ".:80",
    ],
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse(text)


def test_an_error_says_how_to_write_ipv6() -> None:
    with pytest.raises(AddressError, match=r"\[::1\]:6881"):
        Address.parse("::1:80")


def test_an_address_is_what_asyncio_expects() -> None:
    address = Address("127.0.0.1", 80)
    assert address == ("127.0.0.1", 80)
    assert hash(address) == hash(("127.0.0.1", 80))


@pytest.mark.parametrize(
    ("address", "text", "is_ipv6"),
    [
        (Address("127.0.0.1", 80), "127.0.0.1:80", False),
        (Address("::1", 80), "[::1]:80", True),
        (Address("example.org", 80), "example.org:80", False),
    ],
)
def test_text(address: Address, text: str, is_ipv6: bool) -> None:
    assert str(address) == text
    assert address.is_ipv6 is is_ipv6


def test_socket_names() -> None:
    assert Address.from_socket(("fe80::1%eth0", 80, 0, 2)) == Address("fe80::1", 80)
    assert Address.from_socket(("::ffff:10.0.0.1", 80, 0, 0)) == Address("10.0.0.1", 80)
    assert Address.from_socket(("2001:db8::1", 80, 0, 0)) == Address("2001:db8::1", 80)


@pytest.mark.parametrize("address", [Address("localhost", 1), Address("", 1), Address("1.2.3", 1)])
def test_names_have_no_compact_form(address: Address) -> None:
    with pytest.raises(AddressError, match="not an IP address"):
        address.compact()
    with pytest.raises(AddressError):
        packed_host(address.host)


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_out_of_range_have_no_compact_form(port: int) -> None:
    with pytest.raises(AddressError, match="not a port"):
        Address("127.0.0.1", port).compact()


def test_a_broken_tail_is_an_error() -> None:
    whole = join_compact([Address("10.0.0.1", 1), Address("10.0.0.2", 2)])
    with pytest.raises(AddressError, match="11 bytes"):
        split_compact(whole[:-1], ipv6=False)


@pytest.mark.parametrize(
    "address",
    [
        Address("127.0.0.1", 0),
        Address("127.0.0.1", 65536),
        Address("0.0.0.0", 80),
        Address("224.0.0.1", 80),
        Address("255.255.255.255", 80),
        Address("::", 80),
        Address("ff02::1", 80),
        Address("localhost", 80),
        Address("", 80),
    ],
)
def test_not_usable(address: Address) -> None:
    assert not is_usable_peer(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.1.2", "8.8.8.8", "::1", "fe80::1", "2001:db8::1"])
def test_usable(host: str) -> None:
    assert is_usable_peer(Address(host, 6881))


@pytest.mark.parametrize(
    ("named", "teller", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.168.0.1", False),
        ("::1", "2001:4860::1", False),
        ("192.168.0.7", "10.0.0.1", True),
        ("192.168.0.7", "8.8.8.8", False),
        ("fe80::1", "8.8.8.8", False),
        ("8.8.8.8", "127.0.0.1", True),
        ("8.8.8.8", "9.9.9.9", True),
    ],
)
def test_who_can_know_of_whom(named: str, teller: str, expected: bool) -> None:
    assert is_plausible_from(Address(named, 1), Address(teller, 1)) is expected
