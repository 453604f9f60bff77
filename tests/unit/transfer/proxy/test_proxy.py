"""URLs of proxies, and where they take datagrams."""

from __future__ import annotations

import pytest

from transfer.address import Address
from transfer.proxy.errors import ProxyError, ProxyUrlError
from transfer.proxy.proxy import Proxy, ProxyKind
from transfer.proxy.relay import ProxyConfig, relay_at


@pytest.mark.parametrize(
    ("url", "kind", "address", "username", "password"),
    [
        ("socks5://127.0.0.1", ProxyKind.SOCKS5, ("127.0.0.1", 1080), None, None),
        ("SOCKS5H://proxy.example:99/", ProxyKind.SOCKS5, ("proxy.example", 99), None, None),
        ("http://[::1]:3128", ProxyKind.HTTP, ("::1", 3128), None, None),
        ("http://proxy.example", ProxyKind.HTTP, ("proxy.example", 8080), None, None),
        ("socks5://a%40b:c%3Ad@h:1", ProxyKind.SOCKS5, ("h", 1), "a@b", "c:d"),
    ],
)
def test_urls(url: str, kind: ProxyKind, address: tuple[str, int], username: str | None, password: str | None) -> None:
    assert Proxy.parse(url) == Proxy(kind=kind, address=Address(*address), username=username, password=password)


def test_a_password_apart_from_the_url_wins_and_is_never_shown() -> None:
    proxy = Proxy.parse("socks5://ann:old@h:1", password="n3w secret")
    assert (proxy.username, proxy.password) == ("ann", "n3w secret")
    assert "n3w" not in repr(proxy)
    assert str(proxy) == "socks5://h:1"


@pytest.mark.parametrize(
    "url",
    [
        "", "127.0.0.1:1080", "socks4://h:1", "https://h:1", "socks5://", "socks5://:1", "socks5://h:0", "socks5://h:65536",
        "socks5://h:x", "http://[::1", "http://h/path", "http://h?q", "socks5://ann@h", "socks5://:secret@h",
        "socks5://ann:@h", "http://a%3Ab:c@h", f"socks5://{256 * 'a'}:b@h", "socks5://a b:1",
    ],
)  # fmt: skip
def test_what_names_no_proxy(url: str) -> None:
    with pytest.raises(ProxyUrlError) as caught:
        Proxy.parse(url)
    assert "secret" not in str(caught.value)


SOCKS = Proxy.parse("socks5://203.0.113.5")


@pytest.mark.parametrize("bound", ["203.0.113.5", "0.0.0.0", "::", "10.0.0.7", "127.0.0.1", "fd00::1"])
def test_datagrams_go_to_the_host_of_the_proxy(bound: str) -> None:
    assert relay_at(Address(bound, 99), SOCKS, host="203.0.113.5") == Address("203.0.113.5", 99)


@pytest.mark.parametrize("bound", ["8.8.8.8", "2606:4700::1111", "relay.example"])
def test_datagrams_go_to_no_third_party(bound: str) -> None:
    with pytest.raises(ProxyError, match="at another host"):
        relay_at(Address(bound, 99), SOCKS, host="203.0.113.5")


def test_a_way_without_a_port_is_none() -> None:
    with pytest.raises(ProxyError, match="no port"):
        relay_at(Address("203.0.113.5", 0), SOCKS, host="203.0.113.5")


def test_bounds_are_checked() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        ProxyConfig(handshake_timeout_s=0)
