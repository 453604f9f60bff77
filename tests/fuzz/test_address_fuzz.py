"""Whatever text or bytes name an endpoint: an `Address` that can be used, or `AddressError`."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from transfer.address import Address, AddressError, is_usable_peer, join_compact, packed_host, split_compact

# Mostly the characters that matter to the parser, so that much of the text nearly is an endpoint.
texts = st.text(st.sampled_from("[]:.%0123456789abcfx- /\n\0é\uff11") | st.characters(), max_size=40)


@given(texts | st.builds("{}:{}".format, texts, st.integers(0, 70000)) | st.builds("[{}]:{}".format, texts, texts))
@example("localhost:" + "9" * 5000)
@example("a\0b:80")
@example("[::1%\n]:80")
@example("\ud800:80")
@settings(max_examples=300)
def test_parse_gives_an_address_that_survives_text_or_refuses(text: str) -> None:
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert address.host
    assert 0 <= address.port <= 65535
    assert "\n" not in str(address)
    assert Address.parse(str(address)) == address
    address.host.encode("idna")  # what a resolver does first


@given(texts)
def test_packing_a_host_gives_4_or_16_bytes_or_refuses(host: str) -> None:
    try:
        packed = packed_host(host)
    except AddressError:
        assert not is_usable_peer(Address(host, 80))
        return
    assert len(packed) in (4, 16)


@given(st.binary(max_size=200), st.booleans())
def test_runs_of_compact_forms(data: bytes, ipv6: bool) -> None:
    try:
        run = split_compact(data, ipv6=ipv6)
    except AddressError:
        return
    assert join_compact(run) == data
    assert all(address.is_ipv6 is ipv6 for address in run)
    assert all(Address.parse(str(address)) == address for address in run)
