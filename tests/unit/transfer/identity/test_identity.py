"""Keys, peer ids, envelopes and records of strangers: what is wrong with them has a name."""

from __future__ import annotations

import pickle
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from transfer.host.peer_record import DOMAIN, MAX_ADDRESSES, PAYLOAD_TYPE, PeerRecord
from transfer.identity.envelope import Envelope
from transfer.identity.errors import IdentityError
from transfer.identity.keys import SECP256K1_ORDER, KeyType, PrivateKey, PublicKey
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr

KEY = PrivateKey.from_seed(b"k" * 32)
OTHER = PrivateKey.from_seed(b"o" * 32)
ADDRESS = Multiaddr.parse("/ip4/192.0.2.1/tcp/4001")


@pytest.mark.parametrize("kind", KeyType)
def test_new_keys_of_each_kind_round_trip_and_sign(kind: KeyType) -> None:
    key = PrivateKey.generate(kind)
    again = PrivateKey.from_bytes(key.to_bytes())
    assert again.public_key == key.public_key == PublicKey.from_bytes(key.public_key.to_bytes())
    assert hash(again.public_key) == hash(key.public_key)
    assert again.peer_id == key.peer_id == PeerId.parse(str(key.peer_id))
    assert key.peer_id.matches(again.public_key)
    for message in (b"", b"hello", bytes(70_000)):
        assert key.public_key.verify(message, again.sign(message))
    assert not key.public_key.verify(b"hello", b"")
    assert not key.public_key.verify(b"hello", OTHER.sign(b"hello"))
    inline = key.peer_id.public_key
    assert inline == (key.public_key if kind in (KeyType.ED25519, KeyType.SECP256K1) else None)
    assert key.to_bytes().hex()[20:60] not in repr(key)


def test_signatures_of_secp256k1_are_those_that_all_take() -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    key = PrivateKey.generate(KeyType.SECP256K1)
    for number in range(32):
        signature = key.sign(bytes((number,)))
        assert decode_dss_signature(signature)[1] <= SECP256K1_ORDER // 2
        assert key.public_key.verify(bytes((number,)), signature)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no key"),
        (b"\xff" * 20, "no key"),
        (b"\x08\x01", "no key"),
        (b"\x08\x07\x12\x00", "kind 7"),
        (b"\x08\x01\x12\x1f" + bytes(31), "not a public key"),
        (b"\x08\x02\x12\x20" + bytes(32), "33 bytes"),
        (b"\x08\x02\x12\x21\x05" + bytes(32), "not a public key"),
        (b"\x08\x00\x12\x05hello", "not a public key"),
        (b"\x08\x03\x12\x05hello", "not a public key"),
        (bytes(10_000), "longer than"),
    ],
)
def test_what_is_no_public_key(data: bytes, words: str) -> None:
    with pytest.raises(IdentityError, match=words):
        PublicKey.from_bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08\x01\x12\x20" + bytes(32), "64 bytes"),
        (b"\x08\x01\x12\x40" + bytes(64), "do not belong together"),
        (b"\x08\x01\x12\x60" + KEY.to_bytes()[4:] + bytes(32), "64 bytes"),
        (b"\x08\x02\x12\x20" + bytes(32), "not a private key"),
        (b"\x08\x02\x12\x21" + bytes(33), "32 bytes"),
        (b"\x08\x00\x12\x05hello", "not a private key"),
    ],
)
def test_what_is_no_private_key(data: bytes, words: str) -> None:
    with pytest.raises(IdentityError, match=words):
        PrivateKey.from_bytes(data)


def test_the_old_form_of_a_secret_key_has_the_public_one_twice() -> None:
    raw = KEY.to_bytes()[4:]
    assert PrivateKey.from_bytes(b"\x08\x01\x12\x60" + raw + raw[32:]).public_key == KEY.public_key


def test_keys_that_libp2p_does_not_have_or_that_cost_too_much_are_refused() -> None:
    with pytest.raises(IdentityError, match="Ed25519"):
        PublicKey(rsa.generate_private_key(65537, 1024).public_key())
    with pytest.raises(IdentityError, match="of this kind"):
        PublicKey(x25519.X25519PrivateKey.generate().public_key())
    ecdsa = PublicKey(ec.generate_private_key(ec.SECP384R1()).public_key())
    forged = b"\x08\x00" + ecdsa.to_bytes()[2:]
    with pytest.raises(IdentityError, match="called RSA and is ECDSA"):
        PublicKey.from_bytes(forged)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "Qm",
        "12D3KooW",
        "Qm0",
        "bafk",
        "zzz",
        "notapeerid",
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5x",
        "1" * 1000,
    ],
)
def test_what_is_no_peer_id(text: str) -> None:
    with pytest.raises(IdentityError):
        PeerId.parse(text)


@given(st.binary(max_size=60))
def test_bytes_are_a_peer_id_or_are_refused(data: bytes) -> None:
    try:
        peer_id = PeerId(data)
    except IdentityError:
        return
    assert PeerId.parse(str(peer_id)) == PeerId.parse(peer_id.to_cid()) == peer_id


def test_an_envelope_is_for_one_purpose_and_of_one_signer() -> None:
    envelope = Envelope.seal(KEY, domain="tests", payload_type=b"\x01", payload=b"hello")
    data = envelope.to_bytes()
    assert Envelope.open(data, domain="tests") == envelope
    with pytest.raises(IdentityError, match="not as others"):
        Envelope.open(data, domain="others")
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << Random(place).randrange(8)
        with pytest.raises(IdentityError):
            Envelope.open(bytes(changed), domain="tests")
    with pytest.raises(IdentityError, match="longer"):
        Envelope.open(bytes(100_000), domain="tests")


def test_a_record_is_the_signers_own() -> None:
    record = PeerRecord(KEY.peer_id, 7, (ADDRESS,))
    assert PeerRecord.open(record.seal(KEY).to_bytes()) == record
    with pytest.raises(ValueError, match="cannot be signed"):
        record.seal(OTHER)
    payload = record.seal(KEY).payload
    forged = Envelope.seal(OTHER, domain=DOMAIN, payload_type=PAYLOAD_TYPE, payload=payload)
    with pytest.raises(IdentityError, match="has signed a record of"):
        PeerRecord.open(forged.to_bytes())
    other_kind = Envelope.seal(KEY, domain=DOMAIN, payload_type=b"\x03\x02", payload=payload)
    with pytest.raises(IdentityError, match="no peer record"):
        PeerRecord.open(other_kind.to_bytes())


def test_addresses_that_make_no_sense_are_left_out_and_too_many_are_refused() -> None:
    payload = PeerRecord(KEY.peer_id, 1, (ADDRESS,)).seal(KEY).payload
    odd = payload + b"\x1a\x04\x0a\x02\x04\x7f" + b"\x1a\x00" + payload[-12:]
    record = PeerRecord.open(Envelope.seal(KEY, domain=DOMAIN, payload_type=PAYLOAD_TYPE, payload=odd).to_bytes())
    assert record.addresses == (ADDRESS,)
    many = tuple(ADDRESS / f"/p2p-circuit/memory/{number}" for number in range(MAX_ADDRESSES + 1))
    with pytest.raises(IdentityError, match="more than 256"):
        PeerRecord.open(PeerRecord(KEY.peer_id, 1, many).seal(KEY).to_bytes())


def test_peer_ids_sort_and_travel() -> None:
    assert sorted({OTHER.peer_id, KEY.peer_id}) == sorted([KEY.peer_id, OTHER.peer_id])
    assert pickle.loads(pickle.dumps(KEY.peer_id)) == KEY.peer_id
    assert bytes(KEY.peer_id) == KEY.peer_id.multihash
