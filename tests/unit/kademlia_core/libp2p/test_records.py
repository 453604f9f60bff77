"""IPNS records, the strict map inside them, public keys, and validators of one's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kademlia_core.libp2p import dag_cbor
from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.ipns import _ENTRY, SIGNATURE_PREFIX, IpnsRecord, create_ipns_record, ipns_key
from kademlia_core.libp2p.timestamps import NANOSECONDS, format_timestamp, parse_timestamp
from kademlia_core.libp2p.validators import Validators, public_key_key
from tests.kad_world import WALL_S
from transfer.identity.keys import KeyType, PrivateKey
from transfer.wire import protobuf

KEY, OTHER = PrivateKey.from_seed(bytes(32)), PrivateKey.from_seed(b"o" * 32)
RSA = PrivateKey.generate(KeyType.RSA)
NAME = KEY.peer_id
values = st.dictionaries(
    st.text(max_size=30), st.integers(0, 2**64 - 1) | st.binary(max_size=30) | st.text(max_size=30), max_size=8
)


def record(sequence: int = 1, *, key: PrivateKey = KEY, lifetime_s: float = 60.0, value: str = "/ipfs/a") -> bytes:
    return create_ipns_record(key, value, sequence=sequence, wall_s=WALL_S, lifetime_s=lifetime_s)


@given(values)
def test_maps_have_one_form(entries: dict[str, dag_cbor.Value]) -> None:
    data = dag_cbor.encode_map(entries)
    assert dag_cbor.decode_map(data) == entries
    assert dag_cbor.encode_map(dict(reversed(entries.items()))) == data


@given(st.binary(max_size=60))
def test_any_bytes_are_read_in_their_one_form_or_refused(data: bytes) -> None:
    try:
        found = dag_cbor.decode_map(b"\xa1" + data)
    except RecordError:
        return
    if found:
        assert dag_cbor.encode_map(found) == b"\xa1" + data


@pytest.mark.parametrize(
    "data",
    [
        "",
        "80",  # no map
        "a1",
        "a16161",
        "a2616201616102",  # out of order
        "a2616101616102",  # twice
        "a1616118",
        "a161611801",  # longer than need be
        "a16161190001",
        "bf616101ff",  # indefinite
        "a101" + "01",  # no name
        "a161610100",  # something behind
        "a16161" + "81" * 20 + "00",  # deep
        "a161619b7fffffffffffffff",
        "a161ff01",
    ],
)
def test_maps_of_another_form_are_refused(data: str) -> None:
    with pytest.raises(RecordError):
        dag_cbor.decode_map(bytes.fromhex(data))


def test_entries_of_other_kinds_are_read_past() -> None:
    data = bytes.fromhex("a461610161628201026163a16164f561651bffffffffffffffff")
    assert dag_cbor.decode_map(data) == {"a": 1, "e": 2**64 - 1}


@given(st.integers(0, 250_000_000_000 * NANOSECONDS))
def test_points_in_time(nanoseconds: int) -> None:
    assert parse_timestamp(format_timestamp(nanoseconds).encode()) == nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:00:01Z", 1), ("1970-01-01t01:00:01.5+01:00", 1.5), ("1969-12-31T23:59:59Z", -1)],
)
def test_points_in_time_of_others(text: str, seconds: float) -> None:
    assert parse_timestamp(text.encode()) == seconds * NANOSECONDS


@pytest.mark.parametrize("text", ["", "now", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00", "é"])
def test_what_is_no_point_in_time(text: str) -> None:
    with pytest.raises(RecordError):
        parse_timestamp(text.encode())


@pytest.mark.parametrize("key", [KEY, RSA], ids=["inline", "hashed"])
def test_a_record_is_valid_for_its_name_and_until_its_end(key: PrivateKey) -> None:
    rules, name, data = Validators(), ipns_key(key.peer_id), record(key=key)
    rules.validate(name, data, wall_s=WALL_S + 59)
    with pytest.raises(RecordError, match="expired"):
        rules.validate(name, data, wall_s=WALL_S + 61)
    with pytest.raises(RecordError):
        rules.validate(ipns_key(OTHER.peer_id), data, wall_s=WALL_S)


def test_every_byte_that_is_changed_voids_a_record_or_changes_nothing_signed() -> None:
    data = record()
    whole = IpnsRecord.open(NAME, data)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            assert IpnsRecord.open(NAME, bytes(changed)) == whole, place
        except RecordError:
            continue


def test_the_two_versions_must_agree() -> None:
    """Readers of the first version must not be told something that the key has not signed."""
    for field, value in {"value": b"/ipfs/evil", "sequence": 9, "ttl": 1, "validity": b"1970-01-01T00:00:00Z"}.items():
        found = protobuf.decode(_ENTRY, record(), max_bytes=10_000)
        setattr(found, field, value)
        with pytest.raises(RecordError, match="disagree"):
            IpnsRecord.open(NAME, protobuf.encode(found))
    only_old = protobuf.decode(_ENTRY, record(), max_bytes=10_000)
    only_old.ClearField("signatureV2")
    with pytest.raises(RecordError, match="version 2"):
        IpnsRecord.open(NAME, protobuf.encode(only_old))


def signed(**entries: dag_cbor.Value) -> bytes:
    """A record of version 2 with these entries, whatever they are."""
    data = dag_cbor.encode_map(entries)
    return protobuf.encode(_ENTRY(data=data, signatureV2=KEY.sign(SIGNATURE_PREFIX + data)))


def test_a_signed_record_that_lacks_something_is_refused() -> None:
    whole: dict[str, dag_cbor.Value] = {
        "Value": b"/ipfs/a", "Validity": b"2033-01-01T00:00:00Z", "ValidityType": 0, "Sequence": 1, "TTL": 1,
    }  # fmt: skip
    IpnsRecord.open(NAME, signed(**whole))
    IpnsRecord.open(NAME, signed(**whole, Own=b"a field of one's own"))
    for name in whole:
        with pytest.raises(RecordError):
            IpnsRecord.open(NAME, signed(**{key: value for key, value in whole.items() if key != name}))
    with pytest.raises(RecordError, match="valid in a way"):
        IpnsRecord.open(NAME, signed(**{**whole, "ValidityType": 1}))
    with pytest.raises(RecordError, match="at most"):
        IpnsRecord.open(NAME, signed(**{**whole, "Value": bytes(11_000)}))
    with pytest.raises(ValueError, match="shorten"):
        record(value="/ipfs/" + "a" * 6000)


def test_the_key_that_comes_along_must_be_that_of_the_name() -> None:
    found = protobuf.decode(_ENTRY, record(), max_bytes=10_000)
    found.pubKey = OTHER.public_key.to_bytes()
    with pytest.raises(RecordError, match="not of"):
        IpnsRecord.open(NAME, protobuf.encode(found))
    bare = protobuf.decode(_ENTRY, record(key=RSA), max_bytes=10_000)
    bare.ClearField("pubKey")
    with pytest.raises(RecordError, match="does not bring"):
        IpnsRecord.open(RSA.peer_id, protobuf.encode(bare))


def test_the_newest_record_is_the_best_whatever_the_order() -> None:
    rules, name = Validators(), ipns_key(NAME)
    ascending = [
        record(1, lifetime_s=900.0),
        record(2, lifetime_s=60.0),
        record(2, lifetime_s=120.0),
        record(7, lifetime_s=1.0),
    ]
    for place, one in enumerate(ascending):
        for other_place, other in enumerate(ascending):
            assert rules.is_better(name, one, other) is (place > other_place)
    two = sorted([record(3), create_ipns_record(KEY, "/ipfs/b", sequence=3, wall_s=WALL_S, lifetime_s=60.0)])
    assert rules.is_better(name, two[1], two[0])
    assert not rules.is_better(name, two[0], two[1])


def test_public_keys() -> None:
    rules = Validators()
    rules.validate(public_key_key(RSA.peer_id), RSA.public_key.to_bytes(), wall_s=0)
    with pytest.raises(RecordError, match="is the public key of"):
        rules.validate(public_key_key(NAME), OTHER.public_key.to_bytes(), wall_s=0)
    with pytest.raises(RecordError, match="is not the public key"):
        rules.validate(public_key_key(NAME), b"abc", wall_s=0)
    with pytest.raises(RecordError, match="ends with a peer id"):
        rules.validate(b"/pk/abc", b"abc", wall_s=0)


class Newest:
    """A namespace of one's own: the greater value counts."""

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        if not value.isdigit():
            raise RecordError("not a number")

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        return int(value) > int(other)


def test_ones_own_namespace() -> None:
    rules = Validators({"mine": Newest()})
    rules.validate(b"/mine/\xff\x00/", b"12", wall_s=0)
    assert rules.is_better(b"/mine/a", b"12", b"3")
    with pytest.raises(RecordError, match="number"):
        rules.validate(b"/mine/a", b"x", wall_s=0)
    for key in (b"/other/a", b"/mine/", b"/mine", b"mine/a", b"", b"//a"):
        with pytest.raises(RecordError, match="no validator"):
            rules.check_key(key)
    for name in ("", "a/b"):
        with pytest.raises(ValueError, match="namespace"):
            Validators({name: Newest()})
