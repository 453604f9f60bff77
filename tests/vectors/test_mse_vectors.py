"""A recorded handshake of Transmission, both ways: its key and every byte that its peers sent.

Source: transmission/transmission, tests/libtransmission/handshake-test.cc (recorded in the wild; the bytes are facts).
"""

from __future__ import annotations

from random import Random

import pytest

from transfer.security.mse.initiator import MseInitiator
from transfer.security.mse.keys import KeyPair, torrent_mark
from transfer.security.mse.method import CryptoMethod
from transfer.security.mse.responder import MseResponder, ResponderConfig


def recorded_bytes(size: int) -> bytes:
    """The private key, where a key is asked for."""
    return PRIVATE_KEY if size == len(PRIVATE_KEY) else bytes(size)


class NoPadding(Random):
    def randint(self, a: int, b: int) -> int:
        return a


def test_the_key_is_the_recorded_one() -> None:
    assert KeyPair(recorded_bytes).public == PUBLIC_KEY


@pytest.mark.parametrize("portion", [1, 7, 20, 96, 512, 10_000])
def test_a_peer_that_called_transmission_is_understood(portion: int) -> None:
    responder = MseResponder(
        {torrent_mark(INFO_HASH): INFO_HASH}.get,
        config=ResponderConfig(),
        random_bytes=recorded_bytes,
        rng=NoPadding(),
    )
    for start in range(0, len(CALLER), portion):
        responder.receive_data(CALLER[start : start + portion])
    assert responder.error is None
    assert responder.stream is not None
    assert responder.stream.method is CryptoMethod.RC4
    assert responder.stream.received == CALLERS_HANDSHAKE
    assert responder.data_to_send()[:96] == PUBLIC_KEY


@pytest.mark.parametrize("portion", [1, 7, 20, 96, 512, 10_000])
def test_a_peer_that_transmission_called_is_understood(portion: int) -> None:
    initiator = MseInitiator(INFO_HASH, provide=CryptoMethod.RC4, random_bytes=recorded_bytes, rng=NoPadding())
    assert initiator.data_to_send() == PUBLIC_KEY
    for start in range(0, len(CALLED), portion):
        initiator.receive_data(CALLED[start : start + portion])
        if initiator.is_over:
            late = CALLED[start + portion :]
            break
    else:
        late = b""
    assert initiator.error is None
    assert initiator.stream is not None
    assert initiator.stream.method is CryptoMethod.RC4
    assert initiator.stream.decryptor is not None
    received = initiator.stream.received + initiator.stream.decryptor.update(late)
    assert received == CALLEDS_HANDSHAKE
    assert initiator.data_to_send().startswith(SYNC_MARK)


def test_what_transmission_sent_to_a_peer_it_called() -> None:
    """Its recorded first hash of the secret comes out of ours."""
    initiator = MseInitiator(INFO_HASH, random_bytes=recorded_bytes, rng=NoPadding())
    initiator.data_to_send()
    initiator.receive_data(CALLED[:96])
    assert initiator.data_to_send()[:20] == SYNC_MARK


INFO_HASH = bytes.fromhex("2c6b6858d61da9543d4231a71db4b1c9264b0685")
PRIVATE_KEY = bytes.fromhex("d0460a0b00564380e0f645f7739c718d5b410cac")
PUBLIC_KEY = bytes.fromhex(
    "b2f93248815c0acac34de1e33ede75e9415bb2847ee6f7db7b9fe6eacb44eeee492d9d74909d7d3663fae04d74a889e7"
    "efcb02ac9823c35c841c7c2bcce70a891958bdc328b7324c7be4a3ac55276b0dca05f9f66dc2818716ffb1f33d27b9c9"
)
CALLER = bytes.fromhex(
    "b2f93248815c0acac34de1e33ede75e9415bb2847ee6f7db7b9fe6eacb44eeee492d9d74909d7d3663fae04d74a889e7"
    "efcb02ac9823c35c841c7c2bcce70a891958bdc328b7324c7be4a3ac55276b0dca05f9f66dc2818716ffb1f33d27b9c9"
    "20202020202020202020a76be23201678c457cee31362455ec69766b34d2b9316ebb4e8d5355b244f89fd35f0961e546"
    "c2b4cfb2d10fbb7579966ce3b4c1952da2f9104ae5a49f775ebcfe79ae84210114640f83e2329a57fb68f4d562d38ff5"
    "5b50363c7820f88f69b9a73f8bd06c14f7237507a856d53bde53426d30d081389eca30d69b0a"
)
CALLERS_HANDSHAKE = b"\x13BitTorrent protocol" + bytes.fromhex("0000000000100005") + INFO_HASH + b"-TR300Z-w4bd4mkebkbi"
CALLED = bytes.fromhex(
    "49f828abf9eb41f0f82308ab7e4fae84e99030e0bf4302bfbd888e69cb75345f53a565e6b3772f94a10ac6cd155269e6"
    "cad461f5b8782dcb356ecc250ba474e57ac91b32e166a02a70b514011d554cb039a0a4a3475d37f3315b86773bd63aa5"
    "a5a677b2d790a13139f1d3642dfbcf25d19f4e58b51426b515cbe3a821a4cc48a0c31553a3ba3d32f8889c13466737ad"
    "5ed3f47f83e00f44ae6d7a0c3448b67736bf3ecb80e5efbb19c9cd78d4f47dc6f0e3d1d6b5780bdf06f5f2c837a6e2f5"
    "23aa22d4342115f0a0d710c3c23d8010a036732ef332384b4933f89fd28d1437cf125adb75923443f1436f5255c87ccd"
    "18b27261280e9f27bff881e2bbf96a366a271f68b14ec86e481096d383d39061b0c715aa15cc3d316340f1f89d25a2a3"
    "3e0b3acf8fc52979721c6c3ee926b4f75cf1026c5435d9c098e4b5b9472995231f133f46a31a24f1a2ed4bec36c60f9e"
    "1262057fe2a15b69f46c5a9f403be60325ca2e15dfe389537eaf7968c6f7d3d00f47f43440311d2b64aa50a576756408"
    "40b80397187148bedc3cc1de9d3f26debb9f8ba11d92f74fc8a701d62236cd6f2a5066e03d867e097c53163cff531bf1"
    "35d65a01e3e324acfdb653bd9ece32f98a977be001043f4feef301a3d6dda45e1343f4e35f6ac03ea58db9cbc18cd383"
    "3407bfb4c4a9ac1cfeed9edc102c01990131fcdeb3b16923b7fa8fd1762290240b06c4c214d3cb1c05ce553a6ac09a37"
    "98acb369167a5756e6af1f989fef8f74ccc0aedc31271bd8696d86e25fde53f8451c45b33aa520afaf74f0ab54"
)
CALLEDS_HANDSHAKE = b"\x13BitTorrent protocol" + bytes.fromhex("0000000000180005") + INFO_HASH + b"-qB4250-scysDI_JuVN3"
SYNC_MARK = bytes.fromhex("99ba59141c1d8b8535b2756f6e8377b0c1293665")
