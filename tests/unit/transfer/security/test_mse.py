from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from transfer.security.mse import keys
from transfer.security.mse.handshake import MAX_PADDING_BYTES, Handshake
from transfer.security.mse.initiator import MseInitiator
from transfer.security.mse.keys import (
    KEY_BYTES,
    PRIME,
    KeyPair,
    MseError,
    Rc4UnavailableError,
    cipher_from_initiator,
    cipher_from_responder,
    masked,
    require_rc4,
    sync_mark,
    torrent_mark,
)
from transfer.security.mse.method import CryptoMethod
from transfer.security.mse.responder import MseResponder, ResponderConfig

PLAIN, RC4 = CryptoMethod.PLAIN, CryptoMethod.RC4
SKEY = bytes(range(20))
OTHER = bytes(20)


class Padding(Random):
    """Every padding is as close to this length as it may be."""

    def __init__(self, size: int) -> None:
        super().__init__(0)
        self.size = size

    def randint(self, a: int, b: int) -> int:
        return min(max(a, self.size), b)


def initiator(
    *, padding: int = 0, seed: int = 1, provide: CryptoMethod = PLAIN | RC4, payload: bytes = b""
) -> MseInitiator:
    return MseInitiator(
        SKEY,
        provide=provide,
        initial_payload=payload,
        random_bytes=Random(seed).randbytes,
        rng=Padding(padding),
    )


def responder(*, padding: int = 0, config: ResponderConfig | None = None, skey: bytes = SKEY) -> MseResponder:
    return MseResponder(
        {torrent_mark(skey): skey, torrent_mark(OTHER): OTHER}.get,
        config=config or ResponderConfig(),
        random_bytes=Random(2).randbytes,
        rng=Padding(padding),
    )


def talk(left: Handshake, right: Handshake, portions: Callable[[], int]) -> None:
    """Carries bytes both ways, in portions, until nobody says anything any more."""
    while True:
        words = [(left.data_to_send(), right), (right.data_to_send(), left)]
        if not any(data for data, _ in words):
            return
        for data, to in words:
            while data:
                size = portions()
                to.receive_data(data[:size])
                to.check_invariants()
                data = data[size:]


@pytest.mark.parametrize(("padding", "portion"), list(product([0, 1, 511, 512], [1, 19, 10_000])))
def test_two_sides_agree_whatever_the_padding_and_the_portions(padding: int, portion: int) -> None:
    ours, theirs = initiator(padding=padding, payload=b"a handshake"), responder(padding=padding)
    talk(ours, theirs, lambda: portion)
    assert ours.error is None
    assert theirs.error is None
    assert ours.stream is not None
    assert theirs.stream is not None
    assert (ours.stream.method, theirs.stream.method) == (PLAIN, PLAIN)
    assert (ours.stream.skey, theirs.stream.skey) == (SKEY, SKEY)
    assert theirs.stream.received == b"a handshake"


@pytest.mark.parametrize(
    ("provide", "methods", "expected"),
    [
        (PLAIN | RC4, (PLAIN, RC4), PLAIN),
        (PLAIN | RC4, (RC4, PLAIN), RC4),
        (RC4, (PLAIN, RC4), RC4),
        (PLAIN, (RC4, PLAIN), PLAIN),
        (PLAIN | RC4, (RC4,), RC4),
        (PLAIN, (RC4,), None),
        (RC4, (PLAIN,), None),
    ],
)
def test_the_responder_chooses_what_it_prefers_of_what_is_offered(
    provide: CryptoMethod, methods: tuple[CryptoMethod, ...], expected: CryptoMethod | None
) -> None:
    ours, theirs = initiator(provide=provide), responder(config=ResponderConfig(methods=methods))
    talk(ours, theirs, lambda: 100)
    if expected is None:
        assert str(theirs.error) == "the peer offers no encryption that is allowed here"
    else:
        assert ours.stream is not None
        assert ours.stream.method is expected


def test_rc4_streams_go_on_where_the_handshake_ended() -> None:
    ours, theirs = initiator(provide=RC4, payload=b"first"), responder()
    talk(ours, theirs, lambda: 3)
    assert ours.stream is not None
    assert theirs.stream is not None
    assert ours.stream.encryptor is not None
    assert theirs.stream.decryptor is not None
    assert theirs.stream.encryptor is not None
    assert ours.stream.decryptor is not None
    assert theirs.stream.decryptor.update(ours.stream.encryptor.update(b"second")) == b"second"
    assert ours.stream.decryptor.update(theirs.stream.encryptor.update(b"answer")) == b"answer"


def test_what_came_behind_the_handshake_is_kept_as_it_is_meant() -> None:
    for provide in (PLAIN, RC4):
        ours, theirs = initiator(provide=provide), responder()
        theirs.receive_data(ours.data_to_send())
        ours.receive_data(theirs.data_to_send())
        theirs.receive_data(ours.data_to_send())
        assert theirs.stream is not None
        word = b"more"
        tail = word if theirs.stream.encryptor is None else theirs.stream.encryptor.update(word)
        ours.receive_data(theirs.data_to_send() + tail)
        assert ours.stream is not None
        assert ours.stream.received == word


@pytest.mark.parametrize("padding", [0, 1, 20, 300, 512])
@pytest.mark.parametrize("method", [PLAIN, RC4])
def test_plain_text_begins_where_no_initiator_has_read_yet(padding: int, method: CryptoMethod) -> None:
    """rtorrent reads 520 bytes behind the key while it looks for the constant, and takes all of them for RC4."""
    ours, theirs = initiator(provide=method), responder(padding=padding)
    theirs.receive_data(ours.data_to_send())
    key = theirs.data_to_send()
    ours.receive_data(key)
    theirs.receive_data(ours.data_to_send())
    answer = theirs.data_to_send()
    behind_the_key = len(key) - KEY_BYTES + len(answer)
    assert behind_the_key == max(2 * padding + 14, 520 if method is PLAIN else 0)
    ours.receive_data(answer)
    assert ours.stream is not None


@pytest.mark.parametrize("number", [0, 1, PRIME - 1, PRIME, PRIME + 1, 2**768 - 1])
def test_keys_that_give_the_secret_away_are_refused_by_both_sides(number: int) -> None:
    key = number.to_bytes(KEY_BYTES, "big")
    for side in (initiator(), responder()):
        side.receive_data(key)
        assert str(side.error) == "the peer's key is outside of what is safe"
        assert side.is_over


@pytest.mark.parametrize("number", [2, PRIME - 2])
def test_keys_at_the_border_are_taken(number: int) -> None:
    side = responder()
    side.receive_data(number.to_bytes(KEY_BYTES, "big"))
    assert side.error is None


def test_short_keys_and_secrets_are_padded_on_the_left() -> None:
    pair = KeyPair(lambda size: (1).to_bytes(size, "big"))
    assert pair.public == bytes(KEY_BYTES - 1) + b"\x02"
    assert pair.shared_secret(bytes(KEY_BYTES - 1) + b"\x07") == bytes(KEY_BYTES - 1) + b"\x07"


def test_garbage_instead_of_the_mark_ends_where_the_longest_padding_would() -> None:
    side = responder()
    side.receive_data(initiator().data_to_send())
    garbage = Random(3).randbytes(MAX_PADDING_BYTES + 20)
    side.receive_data(garbage[:-1])
    assert side.error is None
    side.receive_data(garbage[-1:])
    assert str(side.error) == "the peer speaks neither BitTorrent nor its encryption"


def test_a_responder_that_does_not_know_the_torrent_is_told_apart() -> None:
    ours = initiator()
    side = responder(padding=512)
    ours.receive_data(KeyPair(Random(9).randbytes).public)
    ours.receive_data(Random(3).randbytes(MAX_PADDING_BYTES + 8))
    assert str(ours.error) == "the peer did not prove that it knows the torrent"
    assert side.error is None


def test_a_torrent_that_is_not_here_is_no_stream() -> None:
    side = responder(skey=bytes(reversed(SKEY)))
    talk(initiator(), side, lambda: 50)
    assert str(side.error) == "the peer asks for a torrent that is not here"


class Scripted:
    """An initiator by hand, which says what it should not."""

    def __init__(self, side: Handshake) -> None:
        pair = KeyPair(Random(5).randbytes)
        side.receive_data(pair.public)
        self.secret = pair.shared_secret(side.data_to_send()[:KEY_BYTES])
        self.side = side

    def call(self, message: bytes) -> None:
        head = sync_mark(self.secret) + masked(torrent_mark(SKEY), self.secret)
        self.side.receive_data(head + cipher_from_initiator(self.secret, SKEY).update(message))

    def answer(self, message: bytes) -> None:
        self.side.receive_data(cipher_from_responder(self.secret, SKEY).update(message))


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"\1" + bytes(13), "the peer did not prove that it knows the torrent"),
        (bytes(8) + b"\0\0\0\0" + b"\0\0", "the peer offers no encryption that is allowed here"),
        (bytes(8) + b"\0\0\0\4" + b"\0\0", "the peer offers no encryption that is allowed here"),
        (bytes(8) + b"\0\0\0\3" + b"\2\1", "the padding of the encryption handshake is too long"),
        (bytes(8) + b"\0\0\0\3" + b"\xff\xff", "the padding of the encryption handshake is too long"),
        (bytes(8) + b"\0\0\0\3" + b"\0\0" + b"\x10\1", "too much comes within the encryption handshake"),
    ],
)
def test_an_initiator_that_breaks_the_rules_is_refused(message: bytes, error: str) -> None:
    side = responder()
    Scripted(side).call(message)
    assert str(side.error) == error


@pytest.mark.parametrize("bits", [0xFFFFFFFF, 0x7, 0x80000003])
def test_methods_that_nobody_knows_are_passed_over(bits: int) -> None:
    side = responder()
    Scripted(side).call(bytes(8) + bits.to_bytes(4, "big") + b"\0\0" + b"\0\0")
    assert side.stream is not None
    assert side.stream.method is PLAIN


@pytest.mark.parametrize(
    ("provide", "choice", "error"),
    [
        (RC4, PLAIN, "the peer chose an encryption that was not offered"),
        (PLAIN, RC4, "the peer chose an encryption that was not offered"),
        (PLAIN | RC4, 3, "the peer chose an encryption that was not offered"),
        (PLAIN | RC4, 0, "the peer chose an encryption that was not offered"),
        (PLAIN | RC4, 4, "the peer chose an encryption that was not offered"),
    ],
)
def test_a_downgrade_by_the_responder_is_refused(provide: CryptoMethod, choice: int, error: str) -> None:
    side = initiator(provide=provide)
    Scripted(side).answer(bytes(8) + choice.to_bytes(4, "big") + b"\0\0")
    assert str(side.error) == error
    assert side.stream is None


def test_a_responder_with_too_long_a_padding_is_refused() -> None:
    side = initiator()
    Scripted(side).answer(bytes(8) + b"\0\0\0\1" + b"\2\1")
    assert str(side.error) == "the padding of the encryption handshake is too long"


@pytest.mark.parametrize("make", [initiator, responder])
def test_an_end_within_the_handshake_is_an_error(make: Callable[[], Handshake]) -> None:
    side = make()
    side.receive_eof()
    assert isinstance(side.error, MseError)
    side.receive_data(b"late")
    side.check_invariants()


def test_any_wrong_byte_is_found_or_harmless() -> None:
    """No flipped bit leads to an exception, to unbounded waiting, or to a stream about another torrent."""
    rng = Random(7)
    for _ in range(150):
        ours, theirs = initiator(padding=rng.randint(0, 512), seed=rng.randint(0, 99)), responder(padding=3)
        at = rng.randint(0, 700)
        sent = 0
        for _ in range(4):
            data = bytearray(ours.data_to_send())
            if sent <= at < sent + len(data):
                data[at - sent] ^= 1 << rng.randint(0, 7)
            sent += len(data)
            theirs.receive_data(bytes(data))
            ours.receive_data(theirs.data_to_send())
        for side in (ours, theirs):
            side.check_invariants()
            assert side.stream is None or side.stream.skey == SKEY


def test_a_build_without_rc4_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    require_rc4()

    class Without:
        def __init__(self, *arguments: object, **options: object) -> None:
            raise UnsupportedAlgorithm("RC4 is not supported")

    monkeypatch.setattr(keys, "Cipher", Without)
    with pytest.raises(Rc4UnavailableError, match="has no RC4"):
        require_rc4()


def test_wrong_arguments_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="method"):
        initiator(provide=CryptoMethod(0))
    with pytest.raises(ValueError, match="64 KiB"):
        initiator(payload=bytes(65_536))
    with pytest.raises(ValueError, match="methods"):
        ResponderConfig(methods=())
