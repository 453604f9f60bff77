"""Each attack on a session ends, by a named reason and within bounds, and leaves it able to go on with honest peers."""

from __future__ import annotations

from functools import partial

import pytest

from bittorrent.dialling.peer_list import PeerListConfig
from tests.simulation import attacks
from transfer.simulation import run

FLOOD = "the peer floods us with messages"
REASONS = {
    "a handshake, a byte a second": "",  # it was never let in
    "half a handshake": "",
    "an enormous frame": "the peer announced a message of 2147483647 bytes; 262144 is the limit",
    "a giant bitfield": "the peer's bitfield does not fit the torrent",
    "a have beyond the end": "the peer announced piece 16 of 16",
    "an absurd have before the metadata": "the peer announced piece 2147483648",
    "blocks that nobody asked for": "the peer keeps sending blocks that nobody asked for",
    "requests while choked": "the peer keeps requesting while choked",
    "a request for a megabyte": "the peer requested 1048576 bytes at 0 of piece 0",
    "a request across the end": "the peer requested 16384 bytes at 32758 of piece 15",
    "deep bencode": "the peer's extension handshake is invalid bencode at byte 8: nested deeper than 8 levels",
}
TOLERATED = {"a frame, a byte in two minutes", "a few names a minute"}  # they cost next to nothing


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_a_stranger_is_put_out(name: str) -> None:
    outcome = run(partial(attacks.withstand, attack=attacks.ATTACKS[name])).result
    assert outcome.honest_took_s < 1
    assert outcome.known_peers <= PeerListConfig().max_pex
    if name in TOLERATED:
        assert outcome.lasted_s >= 400
        return
    assert outcome.reason == REASONS.get(name, FLOOD)
    assert outcome.lasted_s < 30
    assert outcome.sent_bytes < 40 << 20
