"""A fuzz target: a swarm takes a script of what peers say and do, passing time, answers of the disk, and commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha1
from random import Random

from bittorrent.identity.torrent_id import TorrentId
from bittorrent.merkle.proof import HashRange, TreeRows
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import leaves_of
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import HashesWanted, LeavesArrived, MetadataCompleted, PeerBanned, PieceCompleted
from bittorrent.swarm.hashes.config import HashConfig
from bittorrent.swarm.hashes.places import TreePlaces
from bittorrent.swarm.hashes.work import HashWork
from bittorrent.swarm.uploading.choker import ChokerConfig
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import LT_DONTHAVE, UPLOAD_ONLY, UT_HOLEPUNCH, UT_METADATA, UT_PEX, ExtendedHandshake
from bittorrent.wire.hashes import Hashes, HashReject, HashRequest, encode_hashes
from bittorrent.wire.holepunch import (
    PunchConnect,
    PunchMessage,
    PunchRefused,
    Rendezvous,
    decode_holepunch,
    encode_holepunch,
)
from bittorrent.wire.metadata import MetadataData, MetadataReject, MetadataRequest, encode_metadata
from bittorrent.wire.pex import PexFlags, PexMessage, encode_pex
from tests.peer_pair import LEFT_ID, handshake
from tests.swarm_net import check_leaves, leaf_of
from transfer.address import Address

INFO = b"d4:name1:xe"
GEOMETRY = Geometry(7 * BLOCK_SIZE + 5, 2 * BLOCK_SIZE)
CONTENT = Random(1).randbytes(GEOMETRY.total_bytes)
SHAPE = TreeShape(GEOMETRY.total_bytes, GEOMETRY.piece_length)
ROWS = TreeRows(SHAPE, leaves_of(CONTENT), 0)
ROOT = ROWS.root
LAYERS = {ROOT: ROWS.row(SHAPE.piece_height)}
MAX_PEERS = 5
PUNCHED = 9  # under which peers want to hear of hole punching
MAX_STEPS = 100
CHECK_EVERY = 20
PEER = PeerConfig(control_burst=40, request_queue=6, max_early_haves=10, max_fast_pieces=2, metadata_copies=1)
SWARM = SwarmConfig(
    max_unverified_bytes=2 * GEOMETRY.piece_length,
    max_buffered_bytes=4 * GEOMETRY.piece_length,
    max_contributions=2,
    choker=ChokerConfig(slots=2),
    hashes=HashConfig(max_waiting=3, max_doubtful_bytes=GEOMETRY.piece_length, max_kept_nodes=20),
)


class Stage:
    """A swarm whose disk and peers do what the script says.

    Nobody is banned who never sent a wrong byte, nothing is verified that is wrong, and every bound is kept.
    """

    def __init__(self, *, magnet: bool, have: int) -> None:
        self.now = 100.0
        self.core = SwarmCore(torrent_id=TorrentId.of(INFO), rng=Random(1), config=SWARM)
        self.core.exchange.punching.is_offered = True
        self.core.hashes.learn(TorrentId(None, sha1(INFO).digest() + bytes(12)), now=self.now)
        self.wires: dict[int, PeerCore] = {}
        self.asked_hashes: dict[int, list[HashRange]] = {}
        self.leaves: list[LeavesArrived] = []
        self.works: list[HashWork] = []
        self.asked: dict[int, list[Block]] = {}
        self.completed: list[PieceCompleted] = []
        self.innocent: dict[str, bool] = {}
        self.closed = "nobody"
        self.was_banned = False
        self._have = have
        if not magnet:
            self.begin()

    def begin(self) -> None:
        have = Bitfield(GEOMETRY.piece_count, [index for index in range(4) if self._have >> index & 1])
        places = TreePlaces({ROOT: SHAPE}, LAYERS, [(0, ROOT)])
        self.core.begin(GEOMETRY, have, INFO, trees=places, leaf_of=leaf_of, now=self.now)

    # What can happen

    def join(self, option: int) -> None:
        if len(self.wires) >= MAX_PEERS:
            return
        host = f"10.{option & 7}.0.1"
        core = PeerCore(
            handshake=handshake(LEFT_ID, info_hash=sha1(INFO).digest(), fast=True, dht=True),
            address=Address(host, 6881),
            config=PEER,
            now=self.now,
        )
        name = b"-XX0000-" + bytes([len(self.innocent)]) * 12
        core.data_to_send()
        hello = handshake(name, info_hash=sha1(INFO).digest(), fast=bool(option & 8), dht=True).to_bytes()
        core.get_buffer()[: len(hello)] = hello
        core.buffer_updated(len(hello), now=self.now)
        core.next_event()
        number = self.core.add_peer(core, listen_port=1, dht_port=1, is_dialled=bool(option & 16), now=self.now)
        self.wires[number], self.asked[number], self.asked_hashes[number] = core, [], []
        self.innocent.setdefault(host, True)

    def leave(self, number: int) -> None:
        self.core.remove_peer(number, now=self.now)
        del self.wires[number], self.asked[number], self.asked_hashes[number]

    def hear(self, number: int, data: bytes) -> None:
        while data and not self.wires[number].is_closed:
            room = self.wires[number].get_buffer()
            size = min(len(room), len(data))
            room[:size] = data[:size]
            self.core.receive(number, size, now=self.now)
            data = data[size:]

    def answer(self, number: int, option: int) -> None:
        """A peer answers what it was asked for, rightly or not."""
        for _ in range(min(len(self.asked[number]), 1 + (option & 7))):
            piece, begin, length = self.asked[number].pop(0)
            data = CONTENT[piece * GEOMETRY.piece_length + begin :][:length]
            if option & 8:
                data = bytes([data[0] ^ 1]) + data[1:]
                self.innocent[self.wires[number].address.host] = False
            self.hear(number, wire.encode_message(wire.Piece(piece, begin, data)))

    def answer_hashes(self, number: int, option: int) -> None:
        """A peer answers what it was asked for about the tree, rightly or not, or refuses."""
        if not self.asked_hashes[number]:
            return
        wanted = self.asked_hashes[number].pop(0)
        if option & 8:
            self.hear(number, encode_hashes(HashReject(wanted)))
            return
        hashes = ROWS.answer(wanted)
        assert hashes is not None, "only ranges of the tree are asked for"
        if option & 16:
            hashes = hashes[: 32 * (option >> 5)] + bytes(max(0, len(hashes) - 32 * (option >> 5)))
            self.innocent[self.wires[number].address.host] = False
        self.hear(number, encode_hashes(Hashes(wanted, hashes)))

    def desk(self, option: int) -> None:
        """What was asked of threads is done, in any order."""
        if self.works:
            work = self.works.pop()
            found = work.run(lambda index, size: CONTENT[index * GEOMETRY.piece_length :][:size])
            assert found is not None
            self.core.hashes.prepared(work, found if option & 1 else None)
        elif self.leaves:
            arrived = self.leaves.pop(option % len(self.leaves))
            found_leaves = leaves_of(arrived.completed.buffer)
            differs = [
                found_leaves[at : at + 32] != arrived.leaves[at : at + 32] for at in range(0, len(found_leaves), 32)
            ]
            bad = [number for number, is_bad in enumerate(differs) if is_bad]
            assert bad
            blocks = self.core.blocks_judged(arrived.completed, sum(1 << number for number in bad), now=self.now)
            assert [block.begin // BLOCK_SIZE for block in blocks] == bad

    def disk(self, option: int) -> None:
        """The oldest piece that waits is hashed, and stored if it is right."""
        if self.completed:
            piece = self.completed.pop(option % len(self.completed))
            check_leaves(piece)
            start = piece.index * GEOMETRY.piece_length
            if piece.buffer == CONTENT[start : start + len(piece.buffer)]:
                self.core.piece_verified(piece, now=self.now)
            else:
                self.core.piece_failed(piece, now=self.now)

    def command(self, option: int) -> None:
        picker = self.core.picker
        if option & 128:
            self.core.exchange.punching.ask(Address(f"9.9.{option & 7}.1", 7000), now=self.now)
        if picker is None:
            return
        if option & 1:
            priorities = bytes((option >> 1 + index & 1) * 4 for index in range(4))
            self.core.set_priorities(priorities, now=self.now)
        elif option & 2:
            self.core.set_deadlines(1, {option >> 2 & 3: self.now + 1}, is_urgent=bool(option & 16), now=self.now)
        elif option >> 2 & 3 in picker.have:
            self.core.piece_lost(option >> 2 & 3, now=self.now)

    def serve(self, number: int) -> None:
        for block in self.core.uploads_from(number, 1 << 16):
            start = block.piece * GEOMETRY.piece_length + block.begin
            self.core.send_block(number, block, CONTENT[start : start + block.length], now=self.now)

    def settle(self) -> None:
        """What the shell does after each of these."""
        while (event := self.core.next_event()) is not None:
            match event:
                case PieceCompleted():
                    check_leaves(event)
                    self.completed.append(event)
                case MetadataCompleted(info_bytes):
                    assert info_bytes == INFO
                    self.begin()
                case LeavesArrived():
                    self.leaves.append(event)
                case HashesWanted(work):
                    self.works.append(work)
                    assert len(self.works) == 1
                case PeerBanned(address):
                    assert not self.innocent[address.host], f"{address} never lied"
                    self.was_banned = True
        for peer in self.core.peers_to_flush():
            self._read(peer.number, peer.core.data_to_send())
        for number in [number for number, core in self.wires.items() if core.is_closed]:
            self.closed = re.sub("[0-9]+", "#", self.wires[number].closed_because or "")
            self.leave(number)
        judged = sum(len(arrived.completed.buffer) for arrived in self.leaves) + self.core.hashes.doubtful_bytes
        assert self.core.unverified_bytes == sum(len(piece.buffer) for piece in self.completed) + judged
        assert self.core.hashes.doubtful_bytes <= GEOMETRY.piece_length
        assert self.core.buffered_bytes <= 8 * GEOMETRY.piece_length
        assert len(self.core.contributions) <= 3

    def _read(self, number: int, data: bytes) -> None:
        assert len(data) < 1 << 18
        while data:
            end = 4 + int.from_bytes(data[:4], "big")
            message, data = wire.decode_message(data[4:end]), data[end:]
            if isinstance(message, wire.Request):
                assert GEOMETRY.contains(*message.block)
                self.asked[number].append(message.block)
            elif isinstance(message, HashRequest):
                self.asked_hashes[number].append(message.range)
            elif isinstance(message, wire.Cancel) and message.block in self.asked[number]:
                self.asked[number].remove(message.block)
            elif isinstance(message, wire.Extended) and message.extension == PUNCHED:
                punch = decode_holepunch(message.payload)
                if isinstance(punch, PunchConnect):
                    assert punch.address.host in {core.address.host for core in self.wires.values()}, "a third party"


def run_swarm(data: bytes) -> str:
    """Three bytes are one step: what, who, and how; some take what follows them."""
    stage = Stage(magnet=data[:1] > b"\xc0", have=data[0] & 15 if data else 0)
    at = 1
    steps = 0
    while at + 3 <= len(data) and steps < MAX_STEPS:
        steps += 1
        what, who, how = data[at : at + 3]
        at += 3
        numbers = list(stage.wires)
        number = numbers[who % len(numbers)] if numbers else 0
        if what % 16 == 0 or not numbers:
            stage.join(how)
        else:
            match what % 16:
                case 1:
                    stage.leave(number)
                case 2:
                    stage.innocent[stage.wires[number].address.host] = False  # whatever it says
                    stage.hear(number, data[at : at + how])
                    at += how
                case 3 | 4 | 5 | 6 | 7:
                    stage.hear(number, wire.encode_message(SAYINGS[how % len(SAYINGS)](who >> 3)))
                    if SAYINGS[how % len(SAYINGS)] in LIES:
                        stage.innocent[stage.wires[number].address.host] = False
                case 8 | 9:
                    stage.answer(number, how)
                case 10:
                    stage.answer_hashes(number, how)
                case 11 | 12:
                    stage.disk(how)
                case 13:
                    stage.now += how / 4
                    stage.core.handle_timer(now=stage.now)
                case 14 if how & 128:
                    stage.desk(how)
                case 14:
                    stage.command(how)
                case _:
                    stage.serve(number)
        stage.settle()
        if steps % CHECK_EVERY == 0:  # it takes as long as everything else together
            stage.core.check_invariants()
    stage.core.check_invariants()
    has_all = stage.core.is_complete and "has everything"
    return f"{stage.closed}; {has_all}; {stage.was_banned and 'somebody was banned'}"


def _extended(name: bytes, payload: bytes) -> wire.Extended:
    return wire.Extended({UT_METADATA: 1, UT_PEX: 2, LT_DONTHAVE: 3, UPLOAD_ONLY: 4, UT_HOLEPUNCH: 5}[name], payload)


def _wrong_metadata(option: int) -> wire.Message:
    return _extended(UT_METADATA, encode_metadata(MetadataData(0, b"x" * (option % 20), len(INFO))))


def _introduction(option: int) -> wire.Message:
    names = {UT_METADATA: 1 + option % 5, UT_PEX: option % 3, LT_DONTHAVE: 3, UPLOAD_ONLY: 4, UT_HOLEPUNCH: PUNCHED}
    offers = len(INFO) if option & 1 else 5
    return wire.Extended(0, ExtendedHandshake(extensions=names, metadata_size=offers, listen_port=7000).to_bytes())


def _names(option: int) -> wire.Message:
    added = tuple((Address(f"9.9.{number}.1", 7000), PexFlags(option & 8)) for number in range(option))
    return _extended(UT_PEX, encode_pex(PexMessage(added, ())))


def _punch(option: int) -> wire.Message:
    host = f"10.{option >> 2 & 7}.0.1" if option & 2 else f"9.9.{option >> 2}.1"
    address = Address(host, 6881 if option & 2 else 7000)
    message: PunchMessage = PunchRefused(address, 2) if option & 1 else Rendezvous(address)
    return _extended(UT_HOLEPUNCH, encode_holepunch(message))


def _punched(option: int) -> wire.Message:
    address = Address(f"9.9.{option >> 1}.1" if option & 1 else f"192.168.{option}.1", 7000)
    return _extended(UT_HOLEPUNCH, encode_holepunch(PunchConnect(address)))


def _range(option: int) -> HashRange:
    base, length = option & 3, 2 << (option >> 2 & 1)
    return HashRange(ROOT, base, length * (option >> 3 & 1), length, option >> 4 & 1)


def _block(option: int) -> Block:
    return GEOMETRY.block(option % 4, option >> 2 & (GEOMETRY.block_count(option % 4) - 1))


SAYINGS: list[Callable[[int], wire.Message]] = [
    lambda option: wire.Choke(),
    lambda option: wire.Unchoke(),
    lambda option: wire.Unchoke(),
    lambda option: wire.Interested(),
    lambda option: wire.NotInterested(),
    lambda option: wire.HaveAll(),
    lambda option: wire.HaveNone(),
    lambda option: wire.Have(option % 5),
    lambda option: wire.Have(option % 4),
    lambda option: wire.BitfieldMessage(Bitfield(4, [index for index in range(4) if option >> index & 1]).to_wire()),
    lambda option: wire.Request(_block(option)),
    lambda option: wire.Cancel(_block(option)),
    lambda option: wire.RejectRequest(_block(option)),
    lambda option: wire.AllowedFast(option % 4),
    lambda option: wire.SuggestPiece(option % 4),
    lambda option: _extended(LT_DONTHAVE, (option % 5).to_bytes(4, "big")),
    lambda option: _extended(UPLOAD_ONLY, bytes([option & 1])),
    lambda option: _extended(UT_METADATA, encode_metadata(MetadataData(0, INFO, len(INFO)))),
    lambda option: _extended(UT_METADATA, encode_metadata(MetadataRequest(option % 2))),
    lambda option: _extended(UT_METADATA, encode_metadata(MetadataReject(0))),
    _introduction,
    _names,
    _wrong_metadata,
    _punch,
    _punched,
    lambda option: HashRequest(_range(option)),
    lambda option: HashRequest(HashRange(ROOT, 0, option // 4 * 2, 2, 2)),
    lambda option: HashReject(_range(option)),
    lambda option: Hashes(_range(option), bytes(32 * (option % 7))),
]
LIES = (_wrong_metadata, _introduction)


def swarm_seeds() -> list[bytes]:
    """A download from two seeds, one of which lies; an upload; a magnet link."""
    join, say, answer, disk, wait, serve = 0, 3, 8, 11, 13, 15
    have_all, unchoke, interested, request, introduce, metadata = 5, 1, 3, 10, 20, 17
    fetch = b"".join(bytes((answer, who, how)) + bytes((disk, 0, 0)) for who in (0, 1) for how in (7, 7, 7))
    arrive = bytes((join, 0, 8, join, 0, 9, say, 0, have_all, say, 1, have_all, say, 0, unchoke, say, 1, unchoke))
    lies = b"".join(bytes((answer, who, how, disk, 0, 0, wait, 0, 8)) for who, how in ((0, 15), (1, 7), (0, 7), (1, 1)))
    upload = bytes((join, 0, 8, say, 0, interested, wait, 0, 50)) + bytes((say, 0, request, serve, 0, 0)) * 4
    punch = bytes((join, 0, 8, join, 0, 9, say, 0, introduce, say, 1, introduce, say, 8 * 14, 23, say, 8 * 3, 24))
    learn = bytes((join, 0, 8, say, 8, introduce, say, 0, metadata, say, 0, have_all, say, 0, unchoke))
    ask, ask_leaves, desk = 25, 26, bytes((14, 0, 129))
    hashes = bytes((say, 0, ask, say, 0, ask_leaves, say, 8, ask_leaves)) + desk * 2
    judge = lies + bytes((10, 0, 0)) + desk + bytes((10, 1, 0)) + desk
    return [
        b"\0" + arrive + fetch,
        b"\0" + arrive + lies * 3,
        b"\x0f" + upload,
        b"\xd0" + learn + fetch,
        b"\0" + punch + fetch,
        b"\x0f" + upload + hashes,
        b"\0" + arrive + judge * 3,
        b"\0" + arrive + bytes((10, 1, 24)) * 4 + judge,
    ]
