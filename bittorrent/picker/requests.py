"""One request from the moment a block is asked for until it is answered, or will not be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from bittorrent.picker.choice import PieceChoice
from bittorrent.picker.config import COMPLETE, STORE, BlockReceived, PickerConfig, PieceState
from bittorrent.picker.inflight import InFlight
from bittorrent.picker.open_pieces import PieceProgress
from bittorrent.picker.parole import ParoleTurns
from bittorrent.picker.peers import PeerPieces, PeerView
from bittorrent.picker.pieces import PieceTable
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry


class BlockRequests:
    """Keeps the blocks of a piece and the requests of the peers in step.

    What is asked for is not free, what is not answered is free again, and what comes is received once.

    Args:
        policy: makes room for a piece that comes late.
        parole: is told which peer works on each piece on parole.

    Invariant: a block of a PARTIAL piece is free, outstanding or received.
    """

    __slots__ = (
        "_config",
        "_geometry",
        "_in_flight",
        "_parole",
        "_peers",
        "_pieces",
        "_policy",
        "duplicate_requests",
        "unneeded_blocks",
    )

    def __init__(
        self,
        pieces: PieceTable,
        peers: PeerPieces,
        in_flight: InFlight,
        policy: PieceChoice,
        parole: ParoleTurns,
        *,
        geometry: Geometry,
        config: PickerConfig,
    ) -> None:
        self._pieces = pieces
        self._peers = peers
        self._in_flight = in_flight
        self._policy = policy
        self._parole = parole
        self._geometry = geometry
        self._config = config
        self.duplicate_requests = self.unneeded_blocks = 0

    # Asking

    def ask(self, piece: PieceProgress, peer: int, count: int, blocks: list[Block], *, now: float) -> int:
        """Requests up to `count` free blocks of a piece, in order, and appends them to `blocks`; returns how many."""
        index, free, size = piece.index, piece.free, self._geometry.piece_size(piece.index)
        fresh: list[Block] = []
        while free and len(fresh) < count:
            first = (free & -free).bit_length() - 1
            rest = free >> first
            run = min((~rest & (rest + 1)).bit_length() - 1, count - len(fresh))  # blocks beside each other
            begins = range(first * BLOCK_SIZE, (first + run) * BLOCK_SIZE, BLOCK_SIZE)
            fresh += map(Block._make, zip(repeat(index), begins, repeat(BLOCK_SIZE)))
            free ^= ((1 << run) - 1) << first
            if begins[-1] + BLOCK_SIZE > size:
                fresh[-1] = Block(index, begins[-1], size - begins[-1])
        self._in_flight.add_fresh(peer, fresh, now=now)
        if piece.exclusive:
            self._parole.note(index, peer, now=now)
        blocks += fresh
        piece.free = free
        if not free:
            self._pieces.open.put(piece)
        return len(fresh)

    def ask_again(self, view: PeerView, chosen: Iterable[Block], blocks: list[Block], *, now: float) -> None:
        """Requests blocks that others were asked for already, and appends them to `blocks`."""
        for block in list(chosen):
            self._in_flight.add(view.id, block, now=now)
            self.duplicate_requests += 1
            blocks.append(block)

    def stalest(self, view: PeerView, *, now: float) -> Iterator[Block]:
        """Blocks of others that may be asked from this peer too, the longest untouched first."""
        for block, requesters in self._in_flight.to_ask_again(before=now - self._config.endgame_patience_s):
            if view.id not in requesters and view.has(block.piece) and not self._pieces.partial[block.piece].exclusive:
                yield block

    # Answers

    def answer(self, peer: int, block: Block) -> BlockReceived:
        """A block came, which may be one that was not asked for, or is not any more."""
        view = self._peers.view(peer)
        others = self._in_flight.answer(peer, block)
        if others is not None:
            return self._receive(view, block, self._pieces.partial[block.piece], others)
        if block not in view.late:
            self.unneeded_blocks += 1
            return _UNEXPECTED
        del view.late[block]
        if not self._takes_late(block):
            self.unneeded_blocks += 1
            return _UNNEEDED
        others = self._in_flight.withdraw(block)
        piece = self._pieces.partial.get(block.piece) or self._pieces.start(block.piece, None)
        return self._receive(view, block, piece, others)

    def answer_all(self, peer: int, blocks: Sequence[Block]) -> list[BlockReceived | None]:
        """`answer` for those of these blocks that are outstanding; None, and nothing done, for the others."""
        view, partial = self._peers.view(peer), self._pieces.partial
        answers: list[BlockReceived | None] = []
        index, run = -1, 0  # blocks of one piece that no other peer was asked for
        for block, others in zip(blocks, self._in_flight.answer_all(peer, blocks), strict=True):
            if others == () and block[0] == index:
                run |= 1 << block[1] // BLOCK_SIZE
                answers.append(STORE)
            elif others is None:
                answers.append(None)
            else:
                self._receive_run(index, run, peer, answers)
                index, run = block[0], 0
                if others:
                    answers.append(self._receive(view, block, partial[index], others))
                else:
                    run = 1 << block[1] // BLOCK_SIZE
                    answers.append(STORE)
        self._receive_run(index, run, peer, answers)
        return answers

    def _receive_run(self, index: int, run: int, peer: int, answers: list[BlockReceived | None]) -> None:
        """Blocks of a piece (a set of numbers) came, the answers to which are the latest that say STORE."""
        if run and self._pieces.receive(self._pieces.partial[index], run, peer):
            place = len(answers) - 1
            while answers[place] is not STORE:
                place -= 1
            answers[place] = COMPLETE

    def release(self, peer: int, block: Block) -> bool:
        """One request will not be answered; False when there was none. A late answer may still count."""
        view = self._peers.view(peer)
        if not self._in_flight.remove(peer, block):
            return False
        view.remember_late(block, self._config.late_blocks)
        piece = self._pieces.partial[block.piece]
        if not self._in_flight.requesters(block):
            self._pieces.free(piece, block)
        # A piece on parole stays with its owner until nothing of it is outstanding: no block of it has two sources.
        if piece.owner == peer and not (piece.exclusive and piece.is_outstanding) and not piece.is_untouched:
            self._pieces.open.change_owner(piece, None)
        return True

    def release_all(self, peer: int) -> int:
        """Nothing that was asked from a peer will be answered; returns how many requests that were."""
        self._peers.view(peer)
        blocks = list(self._in_flight.blocks_of(peer))
        for block in blocks:
            self.release(peer, block)
        self._pieces.orphan(peer)
        return len(blocks)

    def _receive(self, view: PeerView, block: Block, piece: PieceProgress, others: tuple[int, ...]) -> BlockReceived:
        for other in others:
            self._peers.view(other).remember_late(block, self._config.late_blocks)
        if self._pieces.receive(piece, 1 << block[1] // BLOCK_SIZE, view.id):
            return BlockReceived(True, True, True, others)
        return BlockReceived(True, True, False, others) if others else STORE

    def _takes_late(self, block: Block) -> bool:
        """Whether the answer to a withdrawn request is of use: needed still, and of no piece on parole."""
        if block.piece in self._pieces.suspects or not self._pieces.is_wanted(block.piece):
            return False
        piece = self._pieces.partial.get(block.piece)
        if piece is not None:
            return not piece.received >> block.begin // BLOCK_SIZE & 1
        return self._pieces.state(block.piece) is PieceState.MISSING and self._policy.make_room()


_UNNEEDED = BlockReceived(True, False, False, ())
_UNEXPECTED = BlockReceived(False, False, False, ())
