"""The piece picker against a slow, obvious model: random peers, haves, chokes, arrivals, bad hashes and departures,
while priorities, deadlines, rates and the mode change."""

from __future__ import annotations

from collections import defaultdict
from random import Random

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bittorrent.picker.config import PickerConfig, PieceState
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry

MAX_PEERS = 6
KEPT = 0  # who sent what was kept from an earlier run
CONFIG = PickerConfig(endgame_requesters=2, endgame_requests=6, random_first_pieces=1, late_blocks=4)


class PickerAgainstModel(RuleBasedStateMachine):
    @initialize(
        total_bytes=st.integers(1, 100_000) | st.integers(100_000, 500_000),
        piece_length=st.sampled_from([16384, 20000, 32768, 65536]),
        seed=st.integers(0, 2**32),
        on_disk=st.sets(st.integers(0, 5)),
    )
    def start(self, total_bytes: int, piece_length: int, seed: int, on_disk: set[int]) -> None:
        self.geometry = Geometry(total_bytes, piece_length)
        self.rng = Random(seed)
        self.picker = PiecePicker(self.geometry, rng=Random(seed), config=CONFIG)
        self.now = 0.0
        self.next_peer = 1
        self.peers: dict[int, set[int]] = {}
        self.have: set[int] = set()
        self.complete: set[int] = set()
        self.failed: set[int] = set()  # on parole
        self.received: dict[Block, int] = {}  # of pieces that are not complete: who sent it
        self.kept: dict[int, dict[Block, int]] = {}  # of complete pieces with blocks that were kept: who sent each
        self.outstanding: dict[Block, dict[int, float]] = defaultdict(dict)
        self.touched: dict[Block, float] = {}
        self.priorities = [4] * self.geometry.piece_count
        self.deadlines: dict[int, dict[int, float]] = {}  # of each reader
        self.rates: dict[int, float] = {}
        for index in on_disk:
            if index < self.geometry.piece_count:
                self.picker.mark_have(index)
                self.have.add(index)

    # What peers do

    @precondition(lambda self: len(self.peers) < MAX_PEERS)
    @rule(data=st.data(), kind=st.sampled_from(["nothing", "all", "some"]))
    def connect(self, data: st.DataObject, kind: str) -> None:
        peer = self.next_peer
        self.next_peer += 1
        self.picker.add_peer(peer)
        everything = set(range(self.geometry.piece_count))
        pieces: set[int] = set()
        if kind == "all":
            self.picker.peer_has_all(peer)
            pieces = everything
        elif kind == "some":
            pieces = data.draw(st.sets(st.sampled_from(sorted(everything))))
            self.picker.peer_bitfield(peer, Bitfield(self.geometry.piece_count, pieces))
        self.peers[peer] = pieces

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        peer = self.draw_peer(data)
        self.picker.remove_peer(peer)
        self.rates.pop(peer, None)
        self.forget_requests(peer)
        del self.peers[peer]

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def get_a_piece(self, data: st.DataObject) -> None:
        peer = self.draw_peer(data)
        index = data.draw(st.integers(0, self.geometry.piece_count - 1))
        self.picker.peer_have(peer, index)
        self.peers[peer].add(index)

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def choke(self, data: st.DataObject) -> None:
        peer = self.draw_peer(data)
        expected = len(self.requests_of(peer))
        assert self.picker.release_all(peer) == expected
        self.forget_requests(peer)

    @precondition(lambda self: any(self.outstanding.values()))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        peer, block = self.draw_request(data)
        assert self.picker.release(peer, block)
        self.forget_request(peer, block)

    @precondition(lambda self: any(self.outstanding.values()))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.receive(*self.draw_request(data))

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def answer_all(self, data: st.DataObject) -> None:
        peer = self.draw_peer(data)
        for block in self.requests_of(peer):
            self.receive(peer, block)

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def send_anything(self, data: st.DataObject) -> None:
        """A block nobody waits for: at most the answer to a request that was withdrawn lately may count."""
        peer = self.draw_peer(data)
        piece = data.draw(st.integers(-1, self.geometry.piece_count))
        block = Block(
            piece, data.draw(st.sampled_from([0, 5, 16384, 32768])), data.draw(st.sampled_from([0, 1, 16384]))
        )
        assume(block not in self.outstanding or peer not in self.outstanding[block])
        result = self.picker.block_received(peer, block)
        if result.is_new:
            assert result.is_expected
            assert block.piece not in self.failed
            assert self.priorities[block.piece]
            assert block not in self.received
            assert set(result.cancel_for) == set(self.outstanding.get(block, ()))
            self.note_received(peer, block, result.is_piece_complete)
        else:
            assert not result.is_piece_complete
            assert not result.cancel_for

    # What we do

    @precondition(lambda self: self.peers)
    @rule(data=st.data(), count=st.integers(1, 12))
    def pick(self, data: st.DataObject, count: int) -> None:
        self.pick_from(self.draw_peer(data), count)

    @rule(data=st.data())
    def prioritise(self, data: st.DataObject) -> None:
        levels = st.sampled_from(data.draw(st.sampled_from([[4], [0, 4], [0], [1, 4, 7], list(range(8))])))
        count = self.geometry.piece_count
        priorities = data.draw(st.lists(levels, min_size=count, max_size=count))
        withdrawn = self.picker.set_priorities(bytes(priorities))
        expected = {
            (peer, block)
            for block, requesters in self.outstanding.items()
            for peer in requesters
            if not priorities[block.piece]
        }
        assert len(withdrawn) == len(set(withdrawn))
        assert set(withdrawn) == expected
        for peer, block in withdrawn:
            self.forget_request(peer, block)
        self.received = {block: peer for block, peer in self.received.items() if priorities[block.piece]}
        self.priorities = priorities

    @rule(data=st.data())
    def take_up_kept_blocks(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, self.geometry.piece_count - 1))
        blocks = data.draw(st.sets(st.sampled_from(self.geometry.blocks(index)), min_size=1))
        numbers = sum(1 << block.begin // 16384 for block in blocks)
        is_welcome = self.state(index) is PieceState.MISSING and self.priorities[index] > 0
        assert self.picker.kept.take_up(index, numbers) == (is_welcome and index not in self.failed)
        if is_welcome and index not in self.failed:
            self.received |= dict.fromkeys(blocks, KEPT)
            self.note_if_complete(index)

    @rule(data=st.data(), reader=st.integers(1, 2))
    def read(self, data: st.DataObject, reader: int) -> None:
        pieces = data.draw(st.sets(st.integers(0, self.geometry.piece_count - 1), max_size=4))
        times = {index: self.now + data.draw(st.sampled_from([-1.0, 1.0, 5.0, 100.0])) for index in sorted(pieces)}
        self.picker.set_deadlines(reader, times)
        self.deadlines[reader] = {index: at for index, at in times.items() if index not in self.have}

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def measure(self, data: st.DataObject) -> None:
        for peer in data.draw(st.sets(st.sampled_from(sorted(self.peers)))):
            self.rates[peer] = data.draw(st.sampled_from([0.0, 1e3, 1e5, 1e7]))
        self.picker.set_rates(self.rates, now=self.now)

    @rule(is_sequential=st.booleans())
    def change_mode(self, is_sequential: bool) -> None:
        self.picker.is_sequential = is_sequential

    @precondition(lambda self: self.complete)
    @rule(data=st.data(), is_right=st.booleans())
    def check_hash(self, data: st.DataObject, is_right: bool) -> None:
        self.settle(data.draw(st.sampled_from(sorted(self.complete))), is_right)

    @precondition(lambda self: self.peers)
    @rule()
    def fail_what_is_begun(self) -> None:
        """Everybody answers, and all that is complete by then is bad."""
        for peer in self.peers:
            for block in self.requests_of(peer):
                if peer in self.outstanding[block]:
                    self.receive(peer, block)
        for index in sorted(self.complete):
            self.settle(index, False)

    @precondition(lambda self: self.complete)
    @rule()
    def check_all_hashes(self) -> None:
        for index in sorted(self.complete):
            self.settle(index, True)

    @precondition(lambda self: self.have)
    @rule(data=st.data())
    def lose_a_piece(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.have)))
        self.picker.mark_missing(index)
        self.have.remove(index)

    @invariant()
    def agrees(self) -> None:
        self.picker.check_invariants()
        assert set(self.picker.have) == self.have
        assert self.picker.is_complete == (len(self.have) == self.geometry.piece_count)
        needed = {index for index, priority in enumerate(self.priorities) if priority} - self.have
        assert self.picker.is_finished == (not needed)
        assert self.picker.needed_bytes == sum(map(self.geometry.piece_size, needed))
        assert self.picker.missing_bytes == self.geometry.total_bytes - sum(map(self.geometry.piece_size, self.have))
        for index in range(self.geometry.piece_count):
            assert self.picker.state(index) is self.state(index)
            if self.state(index) is PieceState.PARTIAL:
                assert self.picker.received_blocks(index) == sum(block.piece == index for block in self.received)
        for peer, pieces in self.peers.items():
            assert self.picker.is_interesting(peer) == bool(pieces & needed)
            assert set(self.picker.requested_from(peer)) == set(self.requests_of(peer))

    def teardown(self) -> None:
        """Liveness: with every request answered, and every hash right, one more seed is enough for what is wanted."""
        if not hasattr(self, "picker"):
            return
        seed = self.next_peer
        self.picker.add_peer(seed)
        self.picker.peer_has_all(seed)
        self.peers[seed] = set(range(self.geometry.piece_count))
        for _ in range(40):
            for peer in self.peers:
                self.pick_from(peer, 3)
                for block in self.requests_of(peer):
                    if peer in self.outstanding[block]:
                        self.receive(peer, block)
            for index in sorted(self.complete):
                self.settle(index, True)
            self.agrees()
            if self.picker.is_finished:
                break
        assert self.picker.is_finished
        assert not any(self.outstanding.values())

    # The model

    def pick_from(self, peer: int, count: int) -> None:
        self.now += 1
        states = {index: self.state(index) for index in range(self.geometry.piece_count)}
        blocks = self.picker.pick(peer, count, now=self.now)
        assert len(blocks) <= count
        assert len(set(blocks)) == len(blocks)
        critical = self.critical_pieces()
        if blocks:
            self.check_most_urgent(peer, blocks[0], critical)
        for block in blocks:
            piece = block.piece
            assert piece in self.peers[peer], "asked a peer for what it does not have"
            assert piece not in self.have | self.complete
            assert self.priorities[piece], "asked for what nobody wants"
            assert peer not in self.outstanding[block]
            if piece in self.failed:
                # A piece on parole may start over with another peer: what came before counts no longer.
                if any(sender != peer for other, sender in self.received.items() if other.piece == piece):
                    assert not any(self.outstanding[other] for other in self.geometry.blocks(piece))
                    self.received = {other: by for other, by in self.received.items() if other.piece != piece}
                assert all(set(self.outstanding[other]) <= {peer} for other in self.geometry.blocks(piece))
            assert block not in self.received, "asked for what was received"
            if self.outstanding[block]:
                self.check_duplicate(peer, block, critical)
            elif states[piece] is PieceState.MISSING and piece not in self.failed:
                if piece not in critical:
                    self.check_best(peer, piece, states)
                states[piece] = PieceState.PARTIAL
            self.outstanding[block][peer] = self.now
            self.touched[block] = self.now
        if len(blocks) < count:
            assert not [block for block in self.free_blocks() if block.piece in self.peers[peer] - self.failed], (
                "a free block was passed over"
            )

    def check_duplicate(self, peer: int, block: Block, critical: dict[int, float]) -> None:
        requesters = self.outstanding[block]
        if block.piece in critical and len(requesters) < CONFIG.critical_requesters:
            return
        assert not self.free_blocks(), "a duplicate outside of the end-game"
        assert len(requesters) < CONFIG.endgame_requesters
        older = [
            other
            for other, others in self.outstanding.items()
            if 0 < len(others) < CONFIG.endgame_requesters
            and peer not in others
            and self.touched[other] < self.touched[block]
            and other.piece in self.peers[peer] - self.failed
        ]
        assert not older, "not the stalest first"

    def check_most_urgent(self, peer: int, block: Block, critical: dict[int, float]) -> None:
        """A peer that is not much slower than another one helps first with what is needed first."""
        fastest = max(self.rates.values(), default=0.0)
        if fastest and (self.rates.get(peer) is None or self.rates[peer] * CONFIG.steal_factor < fastest):
            return  # a peer that has sent nothing yet may have stopped
        free = [
            (critical[other.piece], other.piece)
            for other in self.free_blocks()
            if other.piece in critical and other.piece in self.peers[peer] - self.failed
        ]
        urgent = critical.get(block.piece)
        if free and block.piece not in self.failed:
            assert urgent is not None, "something else came before what is urgent"
            assert (urgent, block.piece) <= min(free)

    def critical_pieces(self) -> dict[int, float]:
        """The pieces that somebody waits for, with the earliest time."""
        found: dict[int, float] = {}
        for times in self.deadlines.values():
            for index, at in times.items():
                if self.priorities[index] and self.state(index) in (PieceState.MISSING, PieceState.PARTIAL):
                    found[index] = min(at, found.get(index, at))
        return found

    def check_best(self, peer: int, piece: int, states: dict[int, PieceState]) -> None:
        """A new piece is the best of those that the peer has: by priority, then the rarest or the first."""
        candidates = [
            index
            for index, state in states.items()
            if state is PieceState.MISSING and index in self.peers[peer] - self.failed and self.priorities[index]
        ]
        highest = max(self.priorities[index] for index in candidates)
        assert self.priorities[piece] == highest, "not by priority"
        equal = [index for index in candidates if self.priorities[index] == highest]
        if self.picker.is_sequential:
            assert piece == min(equal), "not in order"
        elif len(self.have | self.complete) >= CONFIG.random_first_pieces:
            assert self.rarity(piece) == min(map(self.rarity, equal)), "not the rarest first"

    def rarity(self, index: int) -> int:
        return sum(index in pieces for pieces in self.peers.values())

    def receive(self, peer: int, block: Block) -> None:
        others = set(self.outstanding[block]) - {peer}
        result = self.picker.block_received(peer, block)
        assert result.is_expected
        assert result.is_new
        assert set(result.cancel_for) == others
        self.note_received(peer, block, result.is_piece_complete)

    def note_received(self, peer: int, block: Block, is_complete: bool) -> None:
        self.outstanding.pop(block, None)
        self.received[block] = peer
        assert is_complete == self.note_if_complete(block.piece)

    def note_if_complete(self, index: int) -> bool:
        blocks = self.geometry.blocks(index)
        if not all(block in self.received for block in blocks):
            return False
        sent = {block: self.received.pop(block) for block in blocks}
        senders = set(sent.values())
        assert set(self.picker.contributors(index)) == senders - {KEPT}
        assert index not in self.failed or len(senders) == 1, "two sources for a piece on parole"
        self.complete.add(index)
        if KEPT in senders:
            self.kept[index] = sent
        return True

    def settle(self, index: int, is_right: bool) -> None:
        contributors = self.picker.contributors(index)
        self.complete.remove(index)
        sent = self.kept.pop(index, {})
        if sent and not is_right:
            self.picker.kept.take_back(index, sum(1 << b.begin // 16384 for b, peer in sent.items() if peer == KEPT))
            if self.priorities[index]:
                self.received |= {block: peer for block, peer in sent.items() if peer != KEPT}
            return
        if is_right:
            self.picker.piece_verified(index)
            self.have.add(index)
            self.failed.discard(index)
            for times in self.deadlines.values():
                times.pop(index, None)
        else:
            assert self.picker.piece_failed(index) == contributors
            self.failed.add(index)

    def free_blocks(self) -> list[Block]:
        return [
            block
            for index in range(self.geometry.piece_count)
            if index not in self.have | self.complete and self.priorities[index]
            for block in self.geometry.blocks(index)
            if block not in self.received and not self.outstanding.get(block)
        ]

    def state(self, index: int) -> PieceState:
        if index in self.have:
            return PieceState.HAVE
        if index in self.complete:
            return PieceState.COMPLETE
        blocks = self.geometry.blocks(index)
        if any(block in self.received or self.outstanding.get(block) for block in blocks):
            return PieceState.PARTIAL
        return PieceState.MISSING

    def requests_of(self, peer: int) -> list[Block]:
        return [block for block, requesters in self.outstanding.items() if peer in requesters]

    def forget_requests(self, peer: int) -> None:
        for block in self.requests_of(peer):
            self.forget_request(peer, block)

    def forget_request(self, peer: int, block: Block) -> None:
        del self.outstanding[block][peer]
        if not self.outstanding[block]:
            del self.outstanding[block]
        else:
            self.touched[block] = self.now

    def draw_peer(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.peers)))

    def draw_request(self, data: st.DataObject) -> tuple[int, Block]:
        pairs = sorted((peer, block) for block, requesters in self.outstanding.items() for peer in requesters)
        return data.draw(st.sampled_from(pairs))


TestPicker = PickerAgainstModel.TestCase
TestPicker.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
