"""What peers tell of themselves: merged, bounded, and believed only if it is of the peer itself."""

from __future__ import annotations

import pytest

from transfer.host.delimited import DelimitedError, DelimitedReader, delimited
from transfer.host.errors import IdentifyError
from transfer.host.identify import MAX_MESSAGES, MAX_SENT_BYTES, Identification, IdentifyReader
from transfer.host.peer_record import PeerRecord
from transfer.identity.keys import PrivateKey
from transfer.multiaddr.multiaddr import Multiaddr

KEY = PrivateKey.from_seed(bytes(32))
OTHER = PrivateKey.from_seed(bytes(31) + b"\1")
ADDRESS = Multiaddr.parse("/ip4/192.0.2.1/tcp/4001")


def said(key: PrivateKey = KEY, **fields: object) -> Identification:
    values: dict[str, object] = {
        "public_key": key.public_key,
        "addresses": (ADDRESS,),
        "protocols": ("/a/1", "/b/1"),
        "observed": Multiaddr.parse("/ip4/198.51.100.1/tcp/5"),
        "protocol_version": "ipfs/0.1.0",
        "agent": "test/1",
        "record_bytes": PeerRecord(key.peer_id, 7, (ADDRESS,)).seal(key).to_bytes(),
    }
    return Identification(**{**values, **fields})  # type: ignore[arg-type]


def read(data: bytes, *, portion: int = 0) -> Identification:
    reader = IdentifyReader(KEY.public_key)
    for start in range(0, len(data), portion or len(data) or 1):
        reader.receive(data[start : start + (portion or len(data))])
    return reader.finish()


@pytest.mark.parametrize("portion", [0, 1, 7])
def test_what_is_said_is_understood(portion: int) -> None:
    own = said()
    found = read(b"".join(own.to_messages()), portion=portion)
    assert found.record is not None
    assert (found.record.sequence, found.record.addresses) == (7, (ADDRESS,))
    for name in ("public_key", "addresses", "protocols", "observed", "protocol_version", "agent", "record_bytes"):
        assert getattr(found, name) == getattr(own, name)


def test_a_long_one_is_spread_over_two_messages_that_rust_can_read() -> None:
    own = said(protocols=tuple(f"/protocol/{number:04}/1.0.0" for number in range(178)))
    messages = list(own.to_messages())
    assert len(messages) == 2
    assert max(map(len, messages)) <= MAX_SENT_BYTES + 2
    found = read(b"".join(messages))
    assert found.protocols == own.protocols
    assert found.record is not None


def test_what_does_not_fit_is_left_out_from_the_end() -> None:
    own = said(protocols=tuple(f"/protocol/{number:04}/1.0.0" for number in range(1000)))
    found = read(b"".join(own.to_messages()))
    assert found.protocols is not None
    assert 100 < len(found.protocols) < 1000
    assert own.protocols is not None
    assert found.protocols == own.protocols[: len(found.protocols)]


def test_a_later_message_changes_only_what_it_says() -> None:
    first = Identification(protocols=("/a/1",), agent="one")
    assert first.merged(Identification(protocols=("/b/1",))) == Identification(protocols=("/b/1",), agent="one")


def test_ids_at_the_end_of_addresses_and_nonsense_are_left_out() -> None:
    own = said(addresses=(ADDRESS / f"/p2p/{KEY.peer_id}", ADDRESS), protocols=("/a/1", "x" * 300, "/b\n/1"))
    found = read(b"".join(own.to_messages()))
    assert found.addresses == (ADDRESS,)
    assert found.protocols == ("/a/1",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "broken off"),
        (b"\x05\x0a", "broken off"),
        (b"\xff\xff\x03", "of at most 8192"),
        (b"\x02\x0a\x7f", "cannot be used"),
        (b"".join(said(OTHER, record_bytes=b"").to_messages()), f"its key is that of {OTHER.peer_id}"),
        (b"".join(said(OTHER, public_key=None).to_messages()), f"the record of {OTHER.peer_id} as its own"),
        (b"".join(said(record_bytes=b"\x0a\x00").to_messages()), "cannot be used"),
        (b"\x00" * (MAX_MESSAGES + 1), "more than 10 messages"),
    ],
    ids=["nothing", "half", "huge", "garbage", "another key", "another record", "no record", "many"],
)
def test_what_cannot_be_true_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(IdentifyError, match=reason) as caught:
        read(data)
    assert str(KEY.peer_id) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lengths_are_bounded_before_anything_is_kept() -> None:
    reader = DelimitedReader(max_bytes=10)
    reader.feed(delimited(bytes(10)) + b"\x0b")
    assert reader.next_message() == bytes(10)
    with pytest.raises(DelimitedError):
        reader.next_message()
