"""Whole swarms of `SwarmCore`s on one virtual clock: no sockets, no disk, no real time, the same run for one seed."""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from bittorrent.identity.torrent_id import TorrentId
from bittorrent.merkle.proof import TreeRows
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import leaves_of
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.peer.events import HandshakeReceived
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.unfinished import UnfinishedPiece
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import (
    HashesWanted,
    LayersCompleted,
    LeavesArrived,
    MetadataCompleted,
    PeerBanned,
    PeersNamed,
    PieceCompleted,
)
from bittorrent.swarm.hashes.places import TreePlaces
from bittorrent.swarm.hashes.work import HashWork
from bittorrent.swarm.peer import NOBODY
from bittorrent.wire.handshake import Handshake
from bittorrent.wire.hashes import Hashes
from bittorrent.wire.messages import decode_message, encode_message
from transfer.address import Address


class SwarmNet:
    """The clock, the wires, and the content that everybody wants.

    Args:
        rng: makes every choice.
        total_bytes, piece_length: of the content, which is random.
        delay_s: of each wire.
        rate_bytes_per_s: of what each side puts on a wire, unless a host has a rate of its own.
        has_trees: the content is one file of a torrent of version 2.
    """

    def __init__(
        self,
        rng: Random,
        *,
        total_bytes: int = 1 << 20,
        piece_length: int = 1 << 16,
        delay_s: float = 0.02,
        rate_bytes_per_s: float = 2e6,
        has_trees: bool = False,
    ) -> None:
        self.tree: ContentTree | None = None
        self.rng = rng
        self.now = 0.0
        self.geometry = Geometry(total_bytes, piece_length)
        self.content = rng.randbytes(total_bytes)
        self.info_bytes = rng.randbytes(40_000)  # three pieces of metadata; what is inside does not matter here
        self.info_hash = hashlib.sha1(self.info_bytes).digest()
        if has_trees:
            self.tree = ContentTree(self.content, piece_length)
        self.hosts: list[Host] = []
        self.delay_s = delay_s
        self.is_private = False
        self.rate_bytes_per_s = rate_bytes_per_s
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def host(
        self,
        *,
        have: Bitfield | None = None,
        magnet: bool = False,
        corrupts: Callable[[int, int], bool] | None = None,
        config: SwarmConfig | None = None,
        never_answers: bool = False,
        rate_bytes_per_s: float | None = None,
        fast: bool = True,
        super_seed: bool = False,
        unfinished: Iterable[UnfinishedPiece] = (),
    ) -> Host:
        """A participant. `have` None means nothing; `corrupts(piece, begin)` names the blocks it sends wrongly."""
        host = Host(self, len(self.hosts), config or SwarmConfig(), corrupts, never_answers)
        host.is_fast = fast
        host.rate_bytes_per_s = rate_bytes_per_s or self.rate_bytes_per_s
        self.hosts.append(host)
        if not magnet:
            host.begin(have or Bitfield(self.geometry.piece_count), super_seed=super_seed, unfinished=unfinished)
        self.at(self.now, host.tick)
        return host

    def seed(self, *, corrupts: Callable[[int, int], bool] | None = None, never_answers: bool = False) -> Host:
        full = Bitfield.full(self.geometry.piece_count)
        return self.host(have=full, corrupts=corrupts, never_answers=never_answers)

    def kept(self, index: int, *numbers: int, wrong: Iterable[int] = ()) -> UnfinishedPiece:
        """What an earlier run may have kept of a piece; the blocks in `wrong` are not what they should be."""
        start, buffer = self.geometry.offset_of(index), bytearray(self.geometry.piece_size(index))
        for number in numbers:
            _, begin, length = self.geometry.block(index, number)
            buffer[begin : begin + length] = self.content[start + begin : start + begin + length]
            buffer[begin] ^= number in wrong
        return UnfinishedPiece(index, buffer, sum(1 << number for number in numbers))

    def connect(self, one: Host, other: Host, *, info_hash: bytes | None = None) -> None:
        """Both sides of a connection that `one` opens, under the usual hash or another one of the torrent."""
        named = info_hash or self.info_hash
        ends = (End(one, other.address, named, is_dialler=True), End(other, one.address, named, is_dialler=False))
        ends[0].other, ends[1].other = ends[1], ends[0]
        for end in ends:
            end.pump()

    def connect_all(self) -> None:
        for one, other in itertools.combinations(self.hosts, 2):
            self.connect(one, other)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), action))

    def run_until(self, condition: Callable[[], bool], *, within_s: float = 600.0) -> float:
        """Lets virtual time pass until `condition` holds; returns the time. Invariants are checked every second."""
        deadline, next_check = self.now + within_s, self.now
        while not condition():
            when, _, action = heapq.heappop(self._queue)
            assert when <= deadline, f"not within {within_s} virtual seconds: {[str(host) for host in self.hosts]}"
            self.now = max(self.now, when)
            action()
            if self.now >= next_check:
                next_check = self.now + 1.0
                for host in self.hosts:
                    host.core.check_invariants()
        return self.now


class Host:
    """One `SwarmCore` with a store that forgets nothing, and hashes at once unless `disk_delay_s` says otherwise."""

    def __init__(
        self,
        net: SwarmNet,
        number: int,
        config: SwarmConfig,
        corrupts: Callable[[int, int], bool] | None,
        never_answers: bool,
    ) -> None:
        self.net = net
        self.address = Address(f"10.0.{number + 1}.1", 6881)
        self.peer_id = b"-TEST00-" + number.to_bytes(12, "big")
        self.core = SwarmCore(torrent_id=TorrentId(net.info_hash), rng=Random(net.rng.random()), config=config)
        if net.tree is not None:
            self.core.hashes.learn(TorrentId(None, net.info_hash + bytes(12)), now=net.now)
        self.layers: dict[bytes, bytes] | None = None  # what it knows of them; all unless it came with a magnet link
        self.spoils: Callable[[bytes], bytes] | None = None  # what it makes of hashes that it sends
        self.bad_blocks: list[tuple[Block, Address]] = []
        self.works = 0
        self.banned: list[Address] = []
        self.ends: dict[int, End] = {}
        self.corrupts = corrupts or (lambda piece, begin: False)
        self.never_answers = never_answers
        self.is_fast = True
        self.disk_delay_s = 0.0
        self.peer_config = PeerConfig()
        self.rate_bytes_per_s = net.rate_bytes_per_s

    def __str__(self) -> str:
        have = self.core.picker.have.count if self.core.picker else "no metadata"
        return f"{self.address} {have}"

    def begin(self, have: Bitfield, *, super_seed: bool = False, unfinished: Iterable[UnfinishedPiece] = ()) -> None:
        self.core.begin(
            self.net.geometry,
            have,
            self.net.info_bytes,
            private=self.net.is_private,
            super_seed=super_seed,
            unfinished=unfinished,
            trees=self.places(),
            leaf_of=leaf_of,
            now=self.net.now,
        )

    def places(self) -> TreePlaces | None:
        tree = self.net.tree
        if tree is None:
            return None
        layers = tree.layers if self.layers is None else self.layers
        return TreePlaces({tree.root: tree.shape}, layers, [(0, tree.root)])

    def knows(self, address: Address) -> bool:
        return address == self.address or any(end.other.host.address == address for end in self.ends.values())

    def tick(self) -> None:
        self.core.handle_timer(now=self.net.now)
        self.pump()
        self.net.at(self.net.now + 1.0, self.tick)

    def leave(self) -> None:
        """Every connection breaks at once."""
        for end in list(self.ends.values()):
            end.core.close("left")
        self.pump_all()

    def pump_all(self) -> None:
        for end in list(self.ends.values()):
            end.pump()

    def pump(self) -> None:
        while (event := self.core.next_event()) is not None:
            match event:
                case PieceCompleted() if self.disk_delay_s:
                    self.net.at(self.net.now + self.disk_delay_s, partial(self._store_late, event))
                case PieceCompleted():
                    self._store(event)
                case MetadataCompleted(info_bytes):
                    assert info_bytes == self.net.info_bytes
                    if self.net.tree is None:
                        self.begin(Bitfield(self.net.geometry.piece_count))
                    else:
                        tree = {self.net.tree.root: self.net.tree.shape}
                        self.core.hashes.want_layers(tree, now=self.net.now)
                case LayersCompleted(layers):
                    self.layers = dict(layers)
                    assert self.net.tree is not None
                    assert self.layers == self.net.tree.layers
                    self.begin(Bitfield(self.net.geometry.piece_count))
                case LeavesArrived(completed, leaves):
                    self._judge(completed, leaves)
                case HashesWanted(work):
                    self.works += 1
                    self.net.at(self.net.now + self.disk_delay_s, partial(self._prepare, work))
                case PeerBanned(address):
                    assert isinstance(address, Address)
                    self.banned.append(address)
                case PeersNamed(peers):
                    for other in self.net.hosts:
                        if other.address in dict(peers) and not self.knows(other.address):
                            self.net.connect(self, other)
        for peer in self.core.peers_to_flush():
            self.serve(peer.number)
            if peer.number in self.ends:
                self.ends[peer.number].pump()

    def _store(self, piece: PieceCompleted) -> None:
        check_leaves(piece)
        offset = self.net.geometry.offset_of(piece.index)
        if piece.buffer == self.net.content[offset : offset + len(piece.buffer)]:
            self.core.piece_verified(piece, now=self.net.now)
        else:
            self.core.piece_failed(piece, now=self.net.now)

    def _judge(self, completed: PieceCompleted, leaves: bytes) -> None:
        """As `MerkleHasher.bad_blocks`, written out."""
        found = leaves_of(completed.buffer)
        bad = sum(1 << at // 32 for at in range(0, len(found), 32) if found[at : at + 32] != leaves[at : at + 32])
        for block, sender in self.core.blocks_judged(completed, bad, now=self.net.now).items():
            assert isinstance(sender.address, Address)
            self.bad_blocks.append((block, sender.address))

    def _prepare(self, work: HashWork) -> None:
        def read(index: int, size: int) -> bytes:
            assert self.core.picker is not None
            assert index in self.core.picker.have
            return self.net.content[self.net.geometry.offset_of(index) :][:size]

        self.core.hashes.prepared(work, work.run(read))
        self.pump()

    def _store_late(self, piece: PieceCompleted) -> None:
        self._store(piece)
        self.pump()

    def serve(self, number: int) -> None:
        if self.never_answers:
            return
        for block in self.core.uploads_from(number, 1 << 30):
            offset = self.net.geometry.offset_of(block.piece) + block.begin
            data = self.net.content[offset : offset + block.length]
            if self.corrupts(block.piece, block.begin):
                data = bytes([data[0] ^ 1]) + data[1:]
            self.core.send_block(number, block, data, now=self.net.now)


class ContentTree:
    """The tree over the content, as its only file has it."""

    def __init__(self, content: bytes, piece_length: int) -> None:
        self.shape = TreeShape(len(content), piece_length)
        rows = TreeRows(self.shape, leaves_of(content), 0)
        self.root = rows.root
        self.layers = {self.root: rows.row(self.shape.piece_height)} if self.shape.needs_layer else {}


class End:
    """One side of a wire: bytes leave at the wire's rate and arrive after its delay, in order."""

    def __init__(self, host: Host, remote: Address, info_hash: bytes, *, is_dialler: bool) -> None:
        self.host = host
        self.other: End
        self.number = 0
        self.is_dialler = is_dialler
        self.is_gone = False
        self._free_at = 0.0
        self._is_scattering = False
        self._handshake = Handshake(info_hash=info_hash, peer_id=host.peer_id, supports_fast=host.is_fast)
        ours = self._handshake if is_dialler else None
        self.core = PeerCore(handshake=ours, address=remote, config=host.peer_config, now=host.net.now)

    def pump(self) -> None:
        net = self.host.net
        data = self.core.data_to_send()
        if self.host.spoils is not None and data:
            data = _with_spoilt_hashes(data, self.host.spoils)
        if data and not self.is_gone:
            self._free_at = max(self._free_at, net.now) + len(data) / self.host.rate_bytes_per_s
            net.at(self._free_at + net.delay_s, lambda: self.other.receive(data))
        if self.core.is_closed and not self.is_gone:
            self.gone()
            net.at(net.now + net.delay_s, self.other.lost)

    def receive(self, data: bytes) -> None:
        now = self.host.net.now
        view = memoryview(data)
        while view and not self.is_gone:
            size = self._take(view)
            view = view[size:]
            if self.number:
                self.host.core.receive(self.number, size, now=now)
            else:
                self.core.buffer_updated(size, now=now)
                self._settle()
            self.host.pump()
        self.pump()

    def _take(self, data: memoryview) -> int:
        """Puts bytes where the core wants them: into several buffers in some reads, into one in others."""
        self._is_scattering = not self._is_scattering
        taken = 0
        for room in self.core.get_buffers() if self._is_scattering else [self.core.get_buffer()]:
            size = min(len(room), len(data) - taken)
            room[:size] = data[taken : taken + size]
            taken += size
        return taken

    def lost(self) -> None:
        if not self.is_gone:
            self.core.close("the other side is gone")
            self.gone()
            self.host.pump()

    def gone(self) -> None:
        self.is_gone = True
        if self.host.ends.pop(self.number, None) is not None:
            self.host.core.remove_peer(self.number, now=self.host.net.now)

    def _settle(self) -> None:
        if self.core.remote is not None and not self.core.is_ready and not self.core.is_closed:
            self.core.welcome(self._handshake)
        if self.core.is_ready and isinstance(self.core.next_event(), HandshakeReceived):
            now = self.host.net.now
            self.number = self.host.core.add_peer(
                self.core, listen_port=6881, dht_port=None, is_dialled=self.is_dialler, now=now
            )
            self.host.ends[self.number] = self


def _with_spoilt_hashes(data: bytes, spoil: Callable[[bytes], bytes]) -> bytes:
    """What a host says, but for the hashes in it. A handshake in front is left alone."""
    at = 68 if data[:1] == b"\x13" else 0
    said = data[:at]
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        message = decode_message(data[at + 4 : end])
        if isinstance(message, Hashes):
            message = Hashes(message.range, spoil(message.hashes))
            said += encode_message(message)
        else:
            said += data[at:end]
        at = end
    return said


def leaf_of(block: Block, data: bytes | memoryview) -> bytes:
    """As that of `MerkleHasher`."""
    return hashlib.sha256(data).digest()


def check_leaves(piece: PieceCompleted) -> None:
    """What was hashed when it came is what the buffer holds now: no block changed after it was here."""
    for begin, leaf in piece.leaves.items():
        data = bytes(piece.buffer[begin : begin + BLOCK_SIZE])
        assert leaf == hashlib.sha256(data).digest(), f"block {begin} of piece {piece.index} has changed"
    assert {begin for begin, sender in piece.senders.items() if sender is not NOBODY} <= piece.leaves.keys()
