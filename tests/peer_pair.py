"""Two `PeerCore`s joined by a pipe in memory, stepped on a virtual clock. Nothing waits, nothing is random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.peer.events import HandshakeReceived, PeerEvent
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.wire import messages as wire
from bittorrent.wire.handshake import Handshake
from transfer.address import Address

INFO_HASH = bytes(range(20))
LEFT_ID = b"-KC0100-left--------"
RIGHT_ID = b"-KC0100-right-------"
EventType = TypeVar("EventType")


def handshake(
    peer_id: bytes, *, info_hash: bytes = INFO_HASH, extensions: bool = True, dht: bool = False, fast: bool = False
) -> Handshake:
    return Handshake(
        info_hash=info_hash,
        peer_id=peer_id,
        supports_extensions=extensions,
        supports_dht=dht,
        supports_fast=fast,
    )


def feed(core: PeerCore, data: bytes, *, now: float, chunk_bytes: int = 1 << 30) -> None:
    """Delivers bytes as a transport does: into the core's own buffer, a chunk at a time. Checks invariants."""
    position = 0
    while position < len(data):
        buffer = core.get_buffer(-1)
        assert len(buffer) > 0
        size = min(len(buffer), chunk_bytes, len(data) - position)
        buffer[:size] = data[position : position + size]
        core.buffer_updated(size, now=now)
        core.check_invariants()
        position += size


@dataclass
class Side:
    """One end: its core, what it reported, and the blocks that came."""

    core: PeerCore
    events: list[PeerEvent] = field(default_factory=list)
    blocks: list[tuple[int, int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.core.block_sink = self.take_blocks

    def take_blocks(self, blocks: Sequence[tuple[Block, memoryview]]) -> None:
        self.blocks += [(block.piece, block.begin, bytes(data)) for block, data in blocks]

    def drain(self) -> None:
        while (event := self.core.next_event()) is not None:
            self.events.append(event)

    def seen(self, kind: type[EventType]) -> list[EventType]:
        return [event for event in self.events if isinstance(event, kind)]


class PeerPair:
    """`left` dialled, `right` accepts; `right` welcomes as soon as it has seen a handshake.

    Args:
        left, right: their configs.
        left_handshake, right_handshake: theirs; `None` for a right side that does not welcome.
        chunk_bytes: the most that arrives at once.
    """

    def __init__(
        self,
        *,
        left: PeerConfig | None = None,
        right: PeerConfig | None = None,
        left_handshake: Handshake | None = None,
        right_handshake: Handshake | None = None,
        chunk_bytes: int = 1 << 30,
    ) -> None:
        self.now = 1000.0
        self.chunk_bytes = chunk_bytes
        self._welcome = right_handshake or handshake(RIGHT_ID)
        ours = left_handshake or handshake(LEFT_ID)
        self.left = Side(
            PeerCore(handshake=ours, address=Address("10.0.0.2", 2), config=left or PeerConfig(), now=self.now)
        )
        self.right = Side(
            PeerCore(handshake=None, address=Address("10.0.0.1", 1), config=right or PeerConfig(), now=self.now)
        )

    def step(self) -> bool:
        """Moves what waits, in both directions, once; False when nothing did. A closed side ends the other."""
        moved = False
        for source, target in ((self.left, self.right), (self.right, self.left)):
            data = source.core.data_to_send()
            moved |= bool(data)
            feed(target.core, data, now=self.now, chunk_bytes=self.chunk_bytes)
            if source.core.is_closed and not target.core.is_closed:
                target.core.receive_eof()
                moved = True
            self._settle(target)
            self._settle(source)
        return moved

    def run(self) -> None:
        """Steps until both are quiet."""
        for _ in range(1000):
            if not self.step():
                return
        raise AssertionError("the two never came to rest")

    def advance(self, seconds: float) -> None:
        """Lets time pass: each timer fires at its own moment, and what it causes arrives at once."""
        end = self.now + seconds
        while True:
            deadlines = [timer for side in (self.left, self.right) if (timer := side.core.next_timer()) is not None]
            if not deadlines or min(deadlines) > end:
                break
            self.now = max(self.now, min(deadlines))
            for side in (self.left, self.right):
                timer = side.core.next_timer()
                if timer is not None and timer <= self.now:
                    side.core.handle_timer(now=self.now)
                    side.core.check_invariants()
                    after = side.core.next_timer()
                    assert after is None or after > self.now, "the timer would fire for ever"
            self.run()
        self.now = end

    def _settle(self, side: Side) -> None:
        side.drain()
        if side is self.right and side.core.remote is not None and not side.core.is_ready and not side.core.is_closed:
            side.core.welcome(self._welcome)
            side.drain()
        side.core.check_invariants()


def connected(
    *, left: PeerConfig | None = None, right: PeerConfig | None = None, chunk_bytes: int = 1 << 30
) -> PeerPair:
    """A pair whose handshakes are done, with clean event logs."""
    pair = PeerPair(left=left, right=right, chunk_bytes=chunk_bytes)
    pair.run()
    for side in (pair.left, pair.right):
        assert side.core.is_ready
        assert [type(event) for event in side.events] == [HandshakeReceived]
        side.events.clear()
    return pair


class Victim(Side):
    """A core that is ready, and whose peer is played by the test, byte by byte if need be."""

    def __init__(
        self,
        *,
        config: PeerConfig | None = None,
        geometry: Geometry | None = None,
        extensions: bool = True,
        dht: bool = False,
        fast: bool = False,
    ) -> None:
        self.now = 1000.0
        super().__init__(
            PeerCore(
                handshake=handshake(LEFT_ID, dht=True, fast=fast),
                address=Address("10.0.0.2", 2),
                config=config or PeerConfig(),
                now=self.now,
            )
        )
        self.core.data_to_send()
        self.hear_bytes(handshake(RIGHT_ID, extensions=extensions, dht=dht, fast=fast).to_bytes())
        if geometry is not None:
            self.core.set_geometry(geometry)
        self.drain()
        self.events.clear()

    def hear(self, *messages: wire.Message) -> None:
        """The peer says this."""
        self.hear_bytes(b"".join(map(wire.encode_message, messages)))

    def hear_bytes(self, data: bytes, *, chunk_bytes: int = 1 << 30) -> None:
        feed(self.core, data, now=self.now, chunk_bytes=chunk_bytes)
        self.drain()
        self.core.check_invariants()

    def says(self) -> list[wire.Message]:
        """What the core wants to send, taken apart."""
        data, messages = self.core.data_to_send(), []
        while data:
            end = 4 + int.from_bytes(data[:4], "big")
            messages.append(wire.decode_message(data[4:end]))
            data = data[end:]
        return messages
