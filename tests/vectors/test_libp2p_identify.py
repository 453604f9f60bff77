"""What js-libp2p, go-libp2p and py-libp2p tell of themselves, as it was captured from each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from transfer.host.errors import IdentifyError
from transfer.host.identify import Identification, IdentifyReader
from transfer.host.peer_book import PeerBook
from transfer.identity.keys import PrivateKey, PublicKey

CAPTURED: dict[str, Any] = json.loads((Path(__file__).parent / "libp2p_identify.json").read_text(encoding="utf-8"))
MESSAGES = {name: bytes.fromhex(message) for name, message in CAPTURED["messages"].items()}
KEYS = {
    "js": "f806e62e227460cae70b4fc1c2499c9ac29053853797a698d36920b2f0d3af3f",
    "go": "e1abd11ed7f17a0c0657f652c7d53b8428302ce17b8b53688359430f94d664c6",
    "py": "47b658d90420889b874b10e9dce3a01937f49571e3e60fc21a5923563bdf8a81",
}
SAID = {
    "js": ("js-libp2p/3.3.11 node/20.20.2", "ipfs/0.1.0", 8, ["/ip4/127.0.0.1/tcp/32781"], 1795998854571),
    "go": (
        "p2pd/0.1",
        None,  # an empty text
        8,
        ["/ip4/127.0.0.1/tcp/19300", "/ip4/127.0.0.1/udp/19300/quic-v1"],
        1795998864455245285,
    ),
    "py": ("py-libp2p/0.8.1", "ipfs/0.1.0", 7, ["/ip4/127.0.0.1/tcp/19301"], 1795998876526572691),
}


def key_of(name: str) -> PublicKey:
    return PublicKey.from_bytes(b"\x08\x01\x12\x20" + bytes.fromhex(KEYS[name]))


def read(name: str, key: PublicKey, portion: int) -> Identification:
    reader, data = IdentifyReader(key), MESSAGES[name]
    for start in range(0, len(data), portion):
        reader.receive(data[start : start + portion])
    return reader.finish()


@pytest.mark.parametrize("portion", [1, 100, 10_000])
@pytest.mark.parametrize("name", KEYS)
def test_it_is_understood(name: str, portion: int) -> None:
    key = key_of(name)
    said = read(name, key, portion)
    agent, version, protocols, addresses, sequence = SAID[name]
    assert (said.agent, said.protocol_version, len(said.protocols or ())) == (agent, version, protocols)
    assert {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"} <= set(said.protocols or ())
    assert list(map(str, said.addresses or ())) == addresses
    assert said.public_key == key
    assert said.observed is not None
    assert str(said.observed).startswith("/ip4/127.0.0.1/tcp/")
    assert said.observed.peer_id is None, "js-libp2p puts our own id there"
    assert said.record is not None
    assert (said.record.peer_id, said.record.sequence) == (key.peer_id, sequence)

    book = PeerBook()
    book.identified(key.peer_id, said, now=0)
    assert list(map(str, book.addresses(key.peer_id, now=0))) == addresses, "py-libp2p signs addresses with its id"


@pytest.mark.parametrize("name", KEYS)
def test_of_another_peer_it_is_refused(name: str) -> None:
    with pytest.raises(IdentifyError):
        read(name, PrivateKey.from_seed(bytes(32)).public_key, 10_000)
