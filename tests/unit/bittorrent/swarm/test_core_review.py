"""What a swarm must not do: say what everybody knows, ask more often than it helps, or hang on a closed connection."""

from __future__ import annotations

from random import Random

from bittorrent.identity.torrent_id import TorrentId
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.peer.pipeline import PipelineConfig
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import PieceCompleted
from bittorrent.wire import messages as wire
from bittorrent.wire.handshake import Handshake
from tests.peer_pair import feed
from tests.swarm_net import Host, SwarmNet
from transfer.address import Address

GEOMETRY = Geometry(64 * BLOCK_SIZE, BLOCK_SIZE)
INFO_BYTES = b"info"


class Swarm:
    """A core whose peers are played by the test."""

    def __init__(self, *, have: Bitfield | None = None, config: SwarmConfig | None = None) -> None:
        self.now = 0.0
        self.core = SwarmCore(torrent_id=TorrentId(bytes(20)), rng=Random(1), config=config or SwarmConfig())
        if have is not None:
            self.begin(have)

    def begin(self, have: Bitfield) -> None:
        self.core.begin(GEOMETRY, have, INFO_BYTES, now=self.now)

    def peer(self, *messages: wire.Message) -> int:
        """A peer that connects, and what it says first."""
        number = len(self.core.peers) + 1
        ours = Handshake(info_hash=bytes(20), peer_id=b"ours".ljust(20))
        theirs = Handshake(info_hash=bytes(20), peer_id=number.to_bytes(20, "big"), supports_extensions=False)
        core = PeerCore(handshake=ours, address=Address("10.0.0.1", number), config=PeerConfig(), now=self.now)
        feed(core, theirs.to_bytes(), now=self.now)
        core.next_event()
        core.data_to_send()
        added = self.core.add_peer(core, listen_port=None, dht_port=None, now=self.now)
        self.hear(added, *messages)
        return added

    def hear(self, number: int, *messages: wire.Message) -> None:
        data = memoryview(b"".join(map(wire.encode_message, messages)))
        while data:
            buffer = self.core.peers[number].core.get_buffer()
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            self.core.receive(number, size, now=self.now)
            data = data[size:]
        self.core.check_invariants()

    def completed(self) -> list[PieceCompleted]:
        """The pieces that wait to be hashed."""
        events = iter(self.core.next_event, None)
        return [event for event in events if isinstance(event, PieceCompleted)]

    def says(self, number: int) -> list[wire.Message]:
        """What the core wants to tell a peer."""
        data, messages = self.core.peers[number].core.data_to_send(), []
        while data:
            end = 4 + int.from_bytes(data[:4], "big")
            messages.append(wire.decode_message(data[4:end]))
            data = data[end:]
        return messages


def haves(messages: list[wire.Message]) -> list[int]:
    return [message.index for message in messages if isinstance(message, wire.Have)]


def all_but(*missing: int) -> Bitfield:
    return Bitfield(64, [index for index in range(64) if index not in missing])


def pieces(bits: Bitfield) -> wire.BitfieldMessage:
    return wire.BitfieldMessage(bits.to_wire())


def test_what_is_found_on_disk_is_told_only_to_those_who_lack_it() -> None:
    swarm = Swarm()
    seed, leech, silent = swarm.peer(pieces(Bitfield.full(64))), swarm.peer(pieces(all_but(3, 4))), swarm.peer()
    swarm.begin(Bitfield(64, [1, 2, 3]))
    assert haves(swarm.says(seed)) == []
    assert haves(swarm.says(leech)) == [3]
    assert haves(swarm.says(silent)) == [1, 2, 3]


def test_a_magnet_link_to_what_is_on_disk_sends_seeds_away_and_keeps_leeches() -> None:
    swarm = Swarm()
    seed, leech = swarm.peer(pieces(Bitfield.full(64))), swarm.peer(pieces(all_but(3)))
    swarm.begin(Bitfield.full(64))
    assert swarm.core.peers[seed].core.closed_because == "both sides have what they want"
    assert not swarm.core.peers[leech].core.is_closed
    assert haves(swarm.says(leech)) == [3]


def test_a_bitfield_that_turns_out_not_to_fit_ends_its_peer_only() -> None:
    swarm = Swarm()
    wrong, right = swarm.peer(wire.BitfieldMessage(bytes(9))), swarm.peer(pieces(Bitfield.full(64)))
    swarm.begin(Bitfield(64))
    assert "does not fit" in (swarm.core.peers[wrong].core.closed_because or "")
    assert {peer.number for peer in swarm.core.peers_to_flush()} == {wrong, right}
    swarm.core.remove_peer(wrong, now=1.0)
    swarm.core.check_invariants()


def count_picks(host: Host) -> list[int]:
    """From now on, the peers that were looked at for something to ask."""
    assert host.core.picker is not None
    picks: list[int] = []
    pick = host.core.picker.pick

    def counted(peer: int, count: int, *, now: float) -> list[Block]:
        picks.append(peer)
        return pick(peer, count, now=now)

    host.core.picker.pick = counted  # type: ignore[method-assign]
    return picks


def test_a_right_piece_is_no_reason_to_look_at_every_peer() -> None:
    net = SwarmNet(Random(1), total_bytes=150 * BLOCK_SIZE, piece_length=BLOCK_SIZE, rate_bytes_per_s=2e5)
    # Eight pieces may be unfinished, so most peers have nothing to do: asking them in vain is what costs.
    leech = net.host(config=SwarmConfig(max_buffered_bytes=1, pipeline=PipelineConfig(first=8, most=8)))
    for _ in range(30):
        net.connect(leech, net.seed())
    picks = count_picks(leech)
    net.run_until(lambda: leech.core.is_complete)
    assert leech.core.downloaded_bytes == net.geometry.total_bytes
    assert len(picks) < 5 * net.geometry.piece_count


def test_a_disk_that_catches_up_lets_every_peer_go_on() -> None:
    config = SwarmConfig(max_unverified_bytes=BLOCK_SIZE, pipeline=PipelineConfig(first=1, least=1, most=1))
    swarm = Swarm(have=Bitfield(64), config=config)
    full = pieces(Bitfield.full(64))
    numbers = [swarm.peer(full, wire.Unchoke()) for _ in range(3)]
    asked = {number: [one for one in swarm.says(number) if isinstance(one, wire.Request)] for number in numbers}
    assert [len(requests) for requests in asked.values()] == [1, 1, 1]
    for number, requests in asked.items():
        block = requests[0].block
        swarm.hear(number, wire.Piece(block.piece, block.begin, bytes(block.length)))
    assert all(swarm.says(number) == [] for number in numbers)
    completed = swarm.completed()
    assert len(completed) == 3
    for event in completed:
        swarm.core.piece_verified(event, now=1.0)
    for number in numbers:
        assert any(isinstance(one, wire.Request) for one in swarm.says(number))


def test_after_a_jam_nobody_is_asked_again_before_a_quarter_of_the_room_is_free() -> None:
    config = SwarmConfig(max_unverified_bytes=8 * BLOCK_SIZE, pipeline=PipelineConfig(first=8, least=8, most=8))
    swarm = Swarm(have=Bitfield(64), config=config)
    number = swarm.peer(pieces(Bitfield.full(64)), wire.Unchoke())
    for request in swarm.says(number):
        if isinstance(request, wire.Request):
            block = request.block
            swarm.hear(number, wire.Piece(block.piece, block.begin, bytes(block.length)))
    asked = []
    for event in swarm.completed():
        swarm.says(number)
        swarm.core.piece_verified(event, now=1.0)
        asked.append(sum(isinstance(one, wire.Request) for one in swarm.says(number)))
    assert [count > 0 for count in asked] == [False, True, *[False] * 6]


def test_a_choke_between_reading_and_sending_drops_the_block() -> None:
    swarm = Swarm(have=Bitfield.full(64))
    number = swarm.peer(pieces(Bitfield(64)), wire.Interested())
    swarm.core.handle_timer(now=0.0)
    swarm.hear(number, wire.Request(Block(0, 0, BLOCK_SIZE)))
    [block] = swarm.core.uploads_from(number, 1)
    swarm.core.peers[number].core.set_choking(True)
    swarm.says(number)
    swarm.core.send_block(number, block, bytes(BLOCK_SIZE), now=0.5)
    assert swarm.says(number) == []
    assert swarm.core.uploaded_bytes == 0


def test_requests_for_a_piece_that_is_not_here_end_the_connection() -> None:
    swarm = Swarm(have=all_but(5))
    number = swarm.peer(wire.Interested())
    swarm.core.handle_timer(now=0.0)
    swarm.hear(number, wire.Request(Block(4, 0, BLOCK_SIZE)), wire.Request(Block(5, 0, BLOCK_SIZE)))
    assert swarm.core.uploads_from(number, 1 << 20) == []
    assert "which we do not have" in (swarm.core.peers[number].core.closed_because or "")


def test_a_storm_of_chokes_leaves_nothing_requested_twice() -> None:
    swarm = Swarm(have=Bitfield(64))
    number = swarm.peer(pieces(Bitfield.full(64)))
    for step in range(50):
        swarm.now = float(step)
        swarm.hear(number, wire.Unchoke(), wire.Choke(), wire.Unchoke(), wire.Choke())
    assert swarm.core.picker is not None
    assert not swarm.core.picker.requested_from(number)
    swarm.hear(number, wire.Unchoke())
    asked = [one.block for one in swarm.says(number) if isinstance(one, wire.Request)]
    assert set(swarm.core.picker.requested_from(number)) <= set(asked)
