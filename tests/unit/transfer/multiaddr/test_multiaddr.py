"""Addresses of strangers, as bytes and as text."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.identity.keys import PrivateKey
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import MAX_BYTES, Multiaddr
from transfer.multiaddr.protocols import BY_NAME

PEER = PrivateKey.from_seed(b"p" * 32).peer_id


def test_parts_and_values() -> None:
    address = Multiaddr.parse(f"/dns4/example.com/tcp/443/tls/ws/p2p/{PEER}")
    assert [(part.name, part.value) for part in address] == [
        ("dns4", "example.com"), ("tcp", "443"), ("tls", ""), ("ws", ""), ("p2p", str(PEER)),
    ]  # fmt: skip
    assert address.value("tcp") == "443"
    assert address.value("udp") is None
    assert address.has("ws")
    assert not address.has("wss")
    assert len(address) == 5
    assert address.peer_id == PEER
    assert str(address.without_peer_id) == "/dns4/example.com/tcp/443/tls/ws"
    assert Multiaddr.parse(f"/p2p/{PEER}").without_peer_id is None
    plain = Multiaddr.parse("/ip4/192.0.2.1/tcp/1")
    assert plain.peer_id is None
    assert plain.without_peer_id == plain
    assert repr(plain) == "Multiaddr('/ip4/192.0.2.1/tcp/1')"


def test_ways_through_others() -> None:
    relay = Multiaddr.parse(f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}")
    through = relay / "/p2p-circuit" / Multiaddr.parse(f"/p2p/{PEER}")
    assert str(through) == f"{relay}/p2p-circuit/p2p/{PEER}"
    assert through.without_peer_id == relay / "/p2p-circuit"


def test_what_is_not_known_is_kept() -> None:
    data = bytes(Multiaddr.parse("/ip4/192.0.2.1/tcp/1")) + b"\xff\xff\x03\x01\x02"
    address = Multiaddr(data)
    assert bytes(address) == data
    assert not address.is_known
    assert str(address) == "/ip4/192.0.2.1/tcp/1/unknown-65535/0102"
    assert address.peer_id is None
    with pytest.raises(MultiaddrError, match="no protocol"):
        Multiaddr.parse(str(address))


def test_addresses_are_values() -> None:
    one, two = (Multiaddr.parse("/ip6/::1/udp/1/quic-v1") for _ in range(2))
    assert one == two
    assert len({one, two, Multiaddr.parse("/ip6/::1/udp/2/quic-v1")}) == 2
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError, match="immutable"):
        setattr(one, "port", 1)  # noqa: B010 - what a user would write is refused by type checkers as well


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/ip4", "needs a value"),
        ("/ip4/", "needs a value"),
        ("/ip4/192.0.2.1/tcp/01x", "no number"),
        ("/ip4/192.0.2.1/tcp/\u0661", "no number"),
        ("/ip6/fe80::1%eth0/tcp/1", "zone"),
        ("/ip6/::1/tcp/70000", "no number"),
        ("/dns//tcp/1", "nothing there"),
        ("/ip4/1.2.3.4//tcp/1", "no protocol ''"),
        ("/p2p/zzz", "no value of /p2p"),
        ("/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:0", "port"),
        ("/onion/aaaa:80", "10 bytes"),
        ("/garlic64/AAAA", "386"),
        ("/ip4/1.2.3.4/ipcidr/256", "no number"),
        ("/unix/" + "a" * 3000, "too long"),
        ("/tls" * 3000, "longer than"),
        ("/tls" * 100, "at most 64 parts"),
    ],
)
def test_what_is_no_address(text: str, words: str) -> None:
    with pytest.raises(MultiaddrError, match=words):
        Multiaddr.parse(text)


@pytest.mark.parametrize(
    "data", [b"", b"\x04\x7f", b"\x06\x01", b"\xa5\x03\x26\x00", b"\x80\x00", b"\xff" * 12, bytes(MAX_BYTES + 1)]
)
def test_bytes_that_are_no_address(data: bytes) -> None:
    with pytest.raises(MultiaddrError):
        Multiaddr(data)


@given(st.binary(max_size=80))
def test_bytes_are_an_address_or_are_refused(data: bytes) -> None:
    try:
        address = Multiaddr(data)
    except MultiaddrError:
        return
    assert bytes(address) == data
    if address.is_known:
        assert str(Multiaddr.parse(str(address))) == str(address)


VALUES = {
    "ip4": st.ip_addresses(v=4).map(str),
    "ip6": st.ip_addresses(v=6).map(str),
    "tcp": st.integers(0, 65535).map(str),
    "udp": st.integers(0, 65535).map(str),
    "dns": st.sampled_from(["example.com", "a", "xn--bcher-kva.example"]),
    "p2p": st.binary(min_size=32, max_size=32).map(lambda seed: str(PrivateKey.from_seed(seed).peer_id)),
    "unix": st.sampled_from(["%2Ftmp%2Fx", "a"]),
}
COMPONENTS = st.one_of(
    *(values.map(f"/{name}/{{}}".format) for name, values in VALUES.items()),
    st.sampled_from([f"/{name}" for name, protocol in BY_NAME.items() if not protocol.kind.size]),
)


@given(st.lists(COMPONENTS, min_size=1, max_size=8).map("".join))
def test_texts_round_trip(text: str) -> None:
    address = Multiaddr.parse(text)
    assert str(address) == text
    assert Multiaddr(bytes(address)) == address


@pytest.mark.parametrize("text", ["exa\nmple.org", "a\x00b", "\u202ename"])
def test_names_that_cannot_be_shown_are_refused_as_text_and_as_bytes(text: str) -> None:
    with pytest.raises(MultiaddrError, match="cannot be shown"):
        Multiaddr.parse(f"/dns/{text}")
    data = text.encode()
    with pytest.raises(MultiaddrError, match="cannot be shown"):
        Multiaddr(bytes((53, len(data))) + data)


def test_a_peer_at_the_end() -> None:
    peer = PrivateKey.from_seed(bytes(32)).peer_id
    address = Multiaddr.parse("/ip4/192.0.2.1/tcp/1").of_peer(peer)
    assert address == Multiaddr.parse(f"/ip4/192.0.2.1/tcp/1/p2p/{peer}")
    assert address.peer_id == peer
