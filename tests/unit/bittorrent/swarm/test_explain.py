"""Why a download is as slow as it is: message by message, to the exact bounds."""

from __future__ import annotations

import pytest

from bittorrent.peer.pipeline import PipelineConfig
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.stats import TorrentState
from bittorrent.swarm.explain import SlowReason, explain, held_up_by
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import ExtendedHandshake
from tests.swarm_victim import SwarmVictim


class Sender:
    """The only peer of a download; it has everything and announces how many requests it takes."""

    def __init__(self, *, blocks: int, limit: int) -> None:
        self._swarm = SwarmVictim(Geometry(blocks * BLOCK_SIZE, BLOCK_SIZE), Bitfield(blocks))
        self._peer = self._swarm.join()
        self._peer.hear(wire.HaveAll(), wire.Extended(0, ExtendedHandshake(request_queue=limit).to_bytes()))
        self._asked: list[wire.Request] = []

    def unchoke(self) -> None:
        self._peer.hear(wire.Unchoke())
        self._swarm.later(1)

    def answer(self, count: int) -> None:
        self._hear_requests()
        for _ in range(count):
            block = self._asked.pop(0).block
            self._peer.hear(wire.Piece(block.piece, block.begin, bytes(block.length)))

    @property
    def outstanding(self) -> int:
        self._hear_requests()
        return len(self._asked)

    def held_up_by(self) -> SlowReason:
        peer = self._swarm.core.peers[self._peer.number]
        return held_up_by(peer, self._swarm.picker, now=self._swarm.now)

    def _hear_requests(self) -> None:
        self._asked += [message for message in self._peer.says() if isinstance(message, wire.Request)]


@pytest.mark.parametrize(("count", "whom"), [(1, "1 peer connected"), (2, "2 peers connected")])
def test_peers_are_counted_in_good_english(count: int, whom: str) -> None:
    swarm = SwarmVictim(Geometry(BLOCK_SIZE, BLOCK_SIZE), Bitfield(1))
    for _ in range(count):
        swarm.join().hear(wire.HaveNone())
    text = str(explain(swarm.core, state=TorrentState.DOWNLOADING, is_paused=False, loneliness="", now=swarm.now))
    assert text.startswith(f"{whom}, but none has anything")


def test_a_queue_that_is_three_quarters_full_holds_a_download_up() -> None:
    """Requests go out a few at a time, so a queue that is used as far as it goes is not always full."""
    sender = Sender(blocks=9, limit=8)
    assert sender.held_up_by() is SlowReason.CHOKED
    sender.unchoke()
    assert sender.held_up_by() is SlowReason.WAITING
    assert sender.outstanding == 8
    sender.answer(3)
    assert sender.outstanding == 6, "there are no more"
    assert sender.held_up_by() is SlowReason.QUEUE_LIMITED
    sender.answer(1)
    assert sender.outstanding == 5
    assert sender.held_up_by() is SlowReason.REMOTE_SLOW


def test_a_queue_as_long_as_what_would_be_asked_for_holds_nobody_up() -> None:
    first = PipelineConfig().first
    limit = first + 1
    sender = Sender(blocks=4 * first, limit=limit)
    sender.unchoke()
    sender.answer(1)  # with each block one more would be asked for, in the beginning
    assert sender.outstanding * 4 >= limit * 3
    assert sender.held_up_by() is SlowReason.REMOTE_SLOW
    sender.answer(1)
    assert sender.outstanding * 4 >= limit * 3
    assert sender.held_up_by() is SlowReason.QUEUE_LIMITED
