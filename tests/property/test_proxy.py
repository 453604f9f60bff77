"""The codecs of proxies: they round-trip, do not care how bytes are cut, and never raise for what a proxy says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from transfer.address import Address
from transfer.proxy.handshake import ProxyHandshake, new_handshake
from transfer.proxy.proxy import Proxy
from transfer.proxy.socks5 import SocksError, datagram_header, decode_address, encode_address, split_datagram

names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{1,10}){0,3}", fullmatch=True)
ipv6 = st.ip_addresses(v=6).filter(lambda ip: isinstance(ip, IPv6Address) and ip.ipv4_mapped is None)
hosts = st.one_of(names, st.ip_addresses(v=4).map(str), ipv6.map(str))
addresses = st.builds(Address, hosts, st.integers(0, 65535))
proxies = st.sampled_from(
    [Proxy.parse(url) for url in ("socks5://h", "socks5://u:p@h", "http://h", "http://u:p@h")],
)
pieces = st.sampled_from(
    [
        b"\5\0",
        b"\5\2",
        b"\1\0",
        b"\5\0\0\1",
        b"\5\0\0\3",
        b"\5\5",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 X\r\n",
        b"\r\n\r\n",
    ]
)
said = st.lists(st.one_of(pieces, st.binary(max_size=20)), max_size=12).map(b"".join)


@given(addresses, st.binary(max_size=50))
def test_addresses_round_trip(address: Address, behind: bytes) -> None:
    encoded = encode_address(address)
    assert decode_address(encoded + behind, 0) == (address, len(encoded))
    assert all(decode_address(encoded[:size], 0) is None for size in range(len(encoded)))
    assert split_datagram(datagram_header(address) + behind) == (address, len(encoded) + 3)


@given(st.binary(max_size=300))
def test_a_header_is_an_address_or_an_error(data: bytes) -> None:
    try:
        sender, start = split_datagram(data)
    except SocksError:
        return
    assert 0 <= sender.port <= 65535
    assert 7 <= start <= len(data)
    if sender.host[0].isdigit() and sender.host.count(".") == 3 and data[3] == 1:
        IPv4Address(sender.host)


@given(proxies, said, st.data())
def test_it_does_not_matter_how_bytes_are_cut(proxy: Proxy, data: bytes, draw: st.DataObject) -> None:
    def run(parts: list[bytes]) -> tuple[object, ...]:
        handshake: ProxyHandshake = new_handshake(proxy, Address("192.0.2.1", 80))
        sent = handshake.data_to_send()
        behind = b""
        for part in parts:
            if handshake.bound is not None:
                behind += part  # the layer hands it on
                continue
            handshake.receive_data(part)
            sent += handshake.data_to_send()
        if handshake.bound is None:
            handshake.receive_eof()
            assert handshake.error is not None
            assert str(handshake.error).isprintable()
        return sent, handshake.bound, str(handshake.error), handshake.received + behind

    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert run(parts) == run([data])
