"""Messages that exchange peers (BEP 11)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import WireError
from bittorrent.wire.pex import PexFlags, PexMessage, decode_pex, encode_pex
from transfer.address import Address
from transfer.wire import bencode

ONE, TWO, SIX = Address("10.0.0.1", 1), Address("10.0.0.2", 258), Address("2001:db8::1", 6881)
addresses = st.builds(
    Address,
    st.ip_addresses().filter(lambda ip: getattr(ip, "ipv4_mapped", None) is None).map(str),
    st.integers(0, 65535),
)


def test_on_the_wire() -> None:
    """BEP 11, "ut_pex": compact endpoints, a byte of flags for each, IPv6 under names of its own."""
    message = PexMessage(((ONE, PexFlags.SEED | PexFlags.REACHABLE), (SIX, PexFlags(0))), (TWO,))
    assert bencode.decode_dict(encode_pex(message)) == {
        b"added": bytes([10, 0, 0, 1, 0, 1]),
        b"added.f": b"\x12",
        b"added6": bytes.fromhex("20010db8000000000000000000000001") + b"\x1a\xe1",
        b"added6.f": b"\x00",
        b"dropped": bytes([10, 0, 0, 2, 1, 2]),
        b"dropped6": b"",
    }


@given(st.lists(st.tuples(addresses, st.integers(0, 255).map(PexFlags))), st.lists(addresses))
def test_round_trip(added: list[tuple[Address, PexFlags]], dropped: list[Address]) -> None:
    again = decode_pex(encode_pex(PexMessage(tuple(added), tuple(dropped))), max_peers=1000)
    assert sorted(again.added) == sorted(added)
    assert sorted(again.dropped) == sorted(dropped)


@given(
    st.binary()
    | st.dictionaries(st.sampled_from(["added", "added.f", "added6", "dropped"]), st.binary() | st.integers()).map(
        bencode.encode
    )
)
def test_anything_is_read_or_refused(payload: bytes) -> None:
    message = PexMessage()
    with suppress(WireError):
        message = decode_pex(payload, max_peers=3)
    assert max(len(message.added), len(message.dropped)) <= 3


@pytest.mark.parametrize("flags", [{}, {"added.f": b"\x02\x02"}, {"added.f": 7}, {"added.f": b""}])
def test_flags_that_do_not_fit_count_as_none(flags: dict[str, bytes | int]) -> None:
    message = decode_pex(bencode.encode({"added": ONE.compact(), **flags}), max_peers=9)
    assert message.added == ((ONE, PexFlags(0)),)


def test_what_is_too_much_is_cut() -> None:
    payload = bencode.encode({"added": ONE.compact() * 40, "dropped": TWO.compact() * 40})
    message = decode_pex(payload, max_peers=25)
    assert (len(message.added), len(message.dropped)) == (25, 25)


@pytest.mark.parametrize("payload", [b"", b"le", b"i1e", b"d5:added5:123456e", b"d5:added5:12345e"])
def test_broken_messages(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_pex(payload, max_peers=9)
