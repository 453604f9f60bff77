"""The piece picker against a slow, obvious model: random peers, haves, chokes, arrivals, bad hashes and departures."""

from __future__ import annotations

from collections import defaultdict
from random import Random

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.config import PickerConfig, PieceState
from bittorrent.picker.geometry import Block, Geometry
from bittorrent.picker.picker import PiecePicker

MAX_PEERS = 6
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
        self.outstanding: dict[Block, dict[int, float]] = defaultdict(dict)
        self.touched: dict[Block, float] = {}
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
        for index in range(self.geometry.piece_count):
            assert self.picker.state(index) is self.state(index)
            if self.state(index) is PieceState.PARTIAL:
                assert self.picker.received_blocks(index) == sum(block.piece == index for block in self.received)
        for peer, pieces in self.peers.items():
            assert self.picker.is_interesting(peer) == bool(pieces - self.have)
            assert set(self.picker.requested_from(peer)) == set(self.requests_of(peer))

    def teardown(self) -> None:
        """Liveness: with every request answered, and every hash right, one more seed is enough to complete."""
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
            if self.picker.is_complete:
                break
        assert self.picker.is_complete
        assert not any(self.outstanding.values())

    # The model

    def pick_from(self, peer: int, count: int) -> None:
        self.now += 1
        states = {index: self.state(index) for index in range(self.geometry.piece_count)}
        blocks = self.picker.pick(peer, count, now=self.now)
        assert len(blocks) <= count
        assert len(set(blocks)) == len(blocks)
        for block in blocks:
            piece = block.piece
            assert piece in self.peers[peer], "asked a peer for what it does not have"
            assert piece not in self.have | self.complete
            assert peer not in self.outstanding[block]
            if piece in self.failed:
                # A piece on parole may start over with another peer: what came before counts no longer.
                if any(sender != peer for other, sender in self.received.items() if other.piece == piece):
                    assert not any(self.outstanding[other] for other in self.geometry.blocks(piece))
                    self.received = {other: by for other, by in self.received.items() if other.piece != piece}
                assert all(set(self.outstanding[other]) <= {peer} for other in self.geometry.blocks(piece))
            assert block not in self.received, "asked for what was received"
            if self.outstanding[block]:
                assert not self.free_blocks(), "a duplicate outside of the end-game"
                assert len(self.outstanding[block]) < CONFIG.endgame_requesters
                older = [
                    other
                    for other, requesters in self.outstanding.items()
                    if 0 < len(requesters) < CONFIG.endgame_requesters
                    and peer not in requesters
                    and self.touched[other] < self.touched[block]
                    and other.piece in self.peers[peer] - self.failed
                ]
                assert not older, "not the stalest first"
            elif states[piece] is PieceState.MISSING and piece not in self.failed:
                self.check_rarest(peer, piece, states)
                states[piece] = PieceState.PARTIAL
            self.outstanding[block][peer] = self.now
            self.touched[block] = self.now
        if len(blocks) < count:
            assert not [block for block in self.free_blocks() if block.piece in self.peers[peer] - self.failed], (
                "a free block was passed over"
            )

    def check_rarest(self, peer: int, piece: int, states: dict[int, PieceState]) -> None:
        if len(self.have | self.complete) < CONFIG.random_first_pieces:
            return
        candidates = [
            index
            for index, state in states.items()
            if state is PieceState.MISSING and index in self.peers[peer] and index not in self.failed
        ]
        assert self.rarity(piece) == min(map(self.rarity, candidates)), "not the rarest first"

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
        blocks = self.geometry.blocks(block.piece)
        assert is_complete == all(other in self.received for other in blocks)
        if is_complete:
            senders = {self.received.pop(other) for other in blocks}
            assert set(self.picker.contributors(block.piece)) == senders
            assert block.piece not in self.failed or senders == {peer}, "two sources for a piece on parole"
            self.complete.add(block.piece)

    def settle(self, index: int, is_right: bool) -> None:
        contributors = self.picker.contributors(index)
        self.complete.remove(index)
        if is_right:
            self.picker.piece_verified(index)
            self.have.add(index)
            self.failed.discard(index)
        else:
            assert self.picker.piece_failed(index) == contributors
            self.failed.add(index)

    def free_blocks(self) -> list[Block]:
        return [
            block
            for index in range(self.geometry.piece_count)
            if index not in self.have | self.complete
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

    def draw_peer(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.peers)))

    def draw_request(self, data: st.DataObject) -> tuple[int, Block]:
        pairs = sorted((peer, block) for block, requesters in self.outstanding.items() for peer in requesters)
        return data.draw(st.sampled_from(pairs))


TestPicker = PickerAgainstModel.TestCase
TestPicker.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
