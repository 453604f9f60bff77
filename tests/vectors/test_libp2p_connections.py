"""Noise and multistream-select as other implementations speak them; the files name the source of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from transfer.identity.keys import PrivateKey
from transfer.negotiation.multistream import Chooser, Proposer
from transfer.negotiation.tokens import encode_token
from transfer.security.noise.session import NoiseNegotiation

FOLDER = Path(__file__).parent
TRANSCRIPTS: list[dict[str, Any]] = json.loads((FOLDER / "libp2p_noise.json").read_text(encoding="utf-8"))[
    "transcripts"
]
MULTISTREAM: dict[str, Any] = json.loads((FOLDER / "libp2p_multistream.json").read_text(encoding="utf-8"))


def side(transcript: dict[str, Any], name: str, *, muxers: tuple[str, ...]) -> NoiseNegotiation:
    def key(kind: str) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(bytes.fromhex(transcript[f"{name}_{kind}"]))

    return NoiseNegotiation(
        is_initiator=name == "initiator",
        identity=PrivateKey.from_seed(bytes.fromhex(transcript[f"{name}_identity_seed"])),
        static=key("static"),
        ephemeral=key("ephemeral"),
        muxers=muxers,
    )


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript["note"][:60])
def test_recorded_noise_handshakes_come_out_to_the_byte(transcript: dict[str, Any]) -> None:
    is_early = "early_muxer=True" in transcript["note"]
    initiator = side(transcript, "initiator", muxers=("/yamux/1.0.0",) if is_early else ())
    responder = side(transcript, "responder", muxers=("/yamux/1.0.0",))
    sent: list[str] = []
    for sender, receiver in ((initiator, responder), (responder, initiator), (initiator, responder)):
        data = sender.data_to_send()
        sent.append(data[2:].hex())
        assert int.from_bytes(data[:2], "big") == len(data) - 2
        for byte in data:
            receiver.receive(bytes((byte,)))
    assert sent == transcript["messages"]
    ours, theirs = initiator.session, responder.session
    assert ours is not None
    assert theirs is not None
    assert ours.handshake_hash.hex() == theirs.handshake_hash.hex() == transcript["handshake_hash"]
    assert ours.sending.key.hex() == theirs.receiving.key.hex() == transcript["initiator_tx_key"]
    assert ours.receiving.key.hex() == theirs.sending.key.hex() == transcript["initiator_rx_key"]
    assert ours.muxer == theirs.muxer == ("/yamux/1.0.0" if is_early else None)
    assert theirs.receiving.decrypt(ours.sending.encrypt(b"hello")) == b"hello"


@pytest.mark.parametrize("token", MULTISTREAM["frames"])
def test_tokens(token: str) -> None:
    assert encode_token(token).hex() == MULTISTREAM["frames"][token]


@pytest.mark.parametrize("who", ["js [noise,tls]", "go [noise,tls]"])
def test_what_a_side_that_opens_writes_first(who: str) -> None:
    proposer = Proposer(("/noise", "/tls/1.0.0"))
    assert proposer.data_to_send().hex() == MULTISTREAM["dialer_first_write"][who]
    proposer.receive(encode_token("/multistream/1.0.0") + encode_token("na"))
    assert proposer.data_to_send().hex() == MULTISTREAM["dialer_first_write"]["after_na"]


@pytest.mark.parametrize(
    ("sent", "answered"),
    [  # what js, go and py answer alike
        ("/multistream/1.0.0", ["/multistream/1.0.0"]),
        ("/multistream/1.0.0 /bogus/1", ["/multistream/1.0.0", "na"]),
        ("/multistream/1.0.0 /bogus/1 /noise", ["/multistream/1.0.0", "na", "/noise"]),
    ],
)
def test_what_a_side_that_was_called_answers(sent: str, answered: list[str]) -> None:
    chooser = Chooser(lambda protocol: protocol == "/noise")
    chooser.receive(b"".join(map(encode_token, sent.split())))
    assert chooser.data_to_send() == b"".join(map(encode_token, answered))


def test_a_list_as_js_writes_it() -> None:
    chooser = Chooser(lambda protocol: protocol == "/noise", listed=("/noise",))
    chooser.receive(encode_token("/multistream/1.0.0") + encode_token("ls"))
    assert chooser.data_to_send() == encode_token("/multistream/1.0.0") + bytes.fromhex("09072f6e6f6973650a0a")
