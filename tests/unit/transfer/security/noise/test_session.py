"""Noise with a side that lies, is another, or changes what was sent."""

from __future__ import annotations

from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from transfer.identity.keys import KeyType, PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.security.noise.cipher import CipherState
from transfer.security.noise.errors import NoiseError
from transfer.security.noise.handshake import XXHandshake
from transfer.security.noise.session import MAX_HANDSHAKE_BYTES, NoiseNegotiation

OURS, THEIRS = PrivateKey.from_seed(b"a" * 32), PrivateKey.from_seed(b"b" * 32)


def key(seed: int) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(Random(seed).randbytes(32))


def pair(
    *,
    expected: PeerId | None = None,
    muxers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    theirs: PrivateKey = THEIRS,
    seed: int = 1,
) -> tuple[NoiseNegotiation, NoiseNegotiation]:
    initiator = NoiseNegotiation(
        is_initiator=True, identity=OURS, static=key(seed), ephemeral=key(seed + 1), muxers=muxers[0], expected=expected
    )
    responder = NoiseNegotiation(
        is_initiator=False, identity=theirs, static=key(seed + 2), ephemeral=key(seed + 3), muxers=muxers[1]
    )
    return initiator, responder


def shake(
    initiator: NoiseNegotiation, responder: NoiseNegotiation, *, changed: int | None = None, rng: Random | None = None
) -> None:
    """The three messages; in one of them a bit is another one than was sent."""
    for step, (sender, receiver) in enumerate(((initiator, responder), (responder, initiator), (initiator, responder))):
        data = bytearray(sender.data_to_send())
        if step == changed and rng is not None:
            data[rng.randrange(2, len(data))] ^= 1 << rng.randrange(8)
        receiver.receive(data)


@pytest.mark.parametrize("kind", KeyType)
def test_each_side_learns_the_other_whatever_its_key_is(kind: KeyType) -> None:
    theirs = PrivateKey.generate(kind)
    initiator, responder = pair(theirs=theirs, expected=theirs.peer_id)
    shake(initiator, responder)
    assert initiator.session is not None
    assert responder.session is not None
    assert initiator.session.peer_id == theirs.peer_id
    assert responder.session.peer_id == OURS.peer_id
    for number in range(5):
        text = bytes((number,)) * number * 1000
        assert responder.session.receiving.decrypt(initiator.session.sending.encrypt(text)) == text
        assert initiator.session.receiving.decrypt(responder.session.sending.encrypt(text)) == text


def test_another_peer_than_the_one_that_was_called_is_named() -> None:
    initiator, responder = pair(expected=OURS.peer_id)
    with pytest.raises(NoiseError, match=f"is {THEIRS.peer_id}, not {OURS.peer_id}"):
        shake(initiator, responder)


def test_a_static_key_that_the_identity_has_not_signed() -> None:
    """The payload of one connection, put into another."""
    initiator, responder = pair()
    responder.receive(initiator.data_to_send())
    stolen = responder._payload()
    other = XXHandshake(is_initiator=False, static=key(50), ephemeral=key(51))
    victim, _ = pair(seed=70)
    other.read(victim.data_to_send()[2:])
    message = other.write(stolen)
    with pytest.raises(NoiseError, match="has not signed it"):
        victim.receive(len(message).to_bytes(2, "big") + message)


def test_any_changed_bit_of_the_handshake_is_seen() -> None:
    rng = Random(3)
    for number in range(60):
        initiator, responder = pair(seed=number + 100)
        turn = rng.randrange(3)
        with pytest.raises(NoiseError):
            shake(initiator, responder, changed=turn, rng=rng)


@pytest.mark.parametrize(
    ("first", "second", "agreed"),
    [((), ("/y",), None), (("/y",), (), None), (("/y", "/m"), ("/m", "/y"), "/y"), (("/y",), ("/m", "/y"), "/y")],
)
def test_the_muxer_is_the_first_of_the_side_that_began(
    first: tuple[str, ...], second: tuple[str, ...], agreed: str | None
) -> None:
    initiator, responder = pair(muxers=(first, second))
    shake(initiator, responder)
    assert initiator.session is not None
    assert responder.session is not None
    assert initiator.session.muxer == responder.session.muxer == agreed


def test_no_common_muxer_is_an_error() -> None:
    initiator, responder = pair(muxers=(("/y",), ("/m",)))
    with pytest.raises(NoiseError, match="other muxers: /m"):
        shake(initiator, responder)


def test_what_follows_the_handshake_is_handed_on() -> None:
    initiator, responder = pair()
    responder.receive(initiator.data_to_send())
    initiator.receive(responder.data_to_send())
    responder.receive(initiator.data_to_send() + b"more")
    assert responder.rest == b"more"


@pytest.mark.parametrize(
    "data",
    [
        (MAX_HANDSHAKE_BYTES + 1).to_bytes(2, "big"),
        b"\x00\x00",
        b"\x00\x1f" + bytes(31),
        b"\x00\x20" + bytes(32),
        b"\x00\x20" + b"\x01" + bytes(31),
    ],
)
def test_garbage_and_keys_that_make_no_secret(data: bytes) -> None:
    _, responder = pair()
    with pytest.raises(NoiseError) as caught:
        responder.receive(data)
    assert "\n" not in str(caught.value)


def test_messages_are_read_once_and_in_order() -> None:
    sending, receiving = CipherState(bytes(32)), CipherState(bytes(32))
    first, second = sending.encrypt(b"1"), sending.encrypt(b"2")
    with pytest.raises(NoiseError, match="changed on its way"):
        receiving.decrypt(second)
    again = CipherState(bytes(32))
    assert again.decrypt(first) == b"1"
    with pytest.raises(NoiseError):
        again.decrypt(first)
