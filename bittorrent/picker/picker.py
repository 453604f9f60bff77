"""Which block to ask from which peer: an account of every piece and every request, and the end-game (BEP 3)."""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping, Sequence
from itertools import islice
from random import Random

from bittorrent.picker.availability import Availability
from bittorrent.picker.choice import PieceChoice
from bittorrent.picker.config import DEFAULT_CONFIG, BlockReceived, PickerConfig, PickerStats, PieceState
from bittorrent.picker.critical import CriticalRequests
from bittorrent.picker.deadlines import Deadlines
from bittorrent.picker.inflight import InFlight
from bittorrent.picker.kept import KeptPieces
from bittorrent.picker.parole import ParoleTurns
from bittorrent.picker.peers import PeerPieces
from bittorrent.picker.pieces import PieceTable
from bittorrent.picker.requests import BlockRequests
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.priority import MAX_PRIORITY


class PiecePicker:
    """Chooses the blocks to request, and keeps account of every piece of one torrent.

    Peers are opaque integers. Each piece is in exactly one state of `PieceState`, at first HAVE if it is in `have`.
    Commands about a peer raise `LocalProtocolError` when it was not added.

    A piece of priority 0 is not fetched, and what is unfinished of it is dropped. Deadlines go before everything else.

    Invariants (`check_invariants`): those of the parts; and the outstanding requests are exactly for the blocks of
    PARTIAL pieces that are neither free nor received.
    """

    def __init__(
        self, geometry: Geometry, *, rng: Random, have: Bitfield | None = None, config: PickerConfig = DEFAULT_CONFIG
    ) -> None:
        self.geometry = geometry
        self.config = config
        have = have or Bitfield(geometry.piece_count)
        self._availability = Availability(Bitfield.full(geometry.piece_count).without(have), rng=rng)
        self._pieces = PieceTable(geometry, self._availability, have)
        self._peers = PeerPieces(self._pieces.needed, self._availability)
        self._in_flight = InFlight(max_requesters=config.endgame_requesters)
        self._deadlines = Deadlines(max_pieces=config.max_deadlines)
        available, pieces, in_flight = self._availability, self._pieces, self._in_flight
        policy = PieceChoice(pieces, self._peers, availability=available, geometry=geometry, config=config)
        self._policy = policy
        self.parole = ParoleTurns(pieces, in_flight, policy, first_turn_s=config.parole_turn_s)
        self.kept = KeptPieces(pieces, policy)
        self._critical = CriticalRequests(
            self._deadlines, pieces, self._peers, in_flight, policy, geometry=geometry, config=config
        )
        self._requests = BlockRequests(
            pieces, self._peers, in_flight, policy, self.parole, geometry=geometry, config=config
        )
        self._failed_pieces = 0

    # Peers, and what they have

    def add_peer(self, peer: int) -> None:
        """A peer connected; it has nothing until told otherwise.

        Raises:
            LocalProtocolError: it is there already.
        """
        self._peers.add(peer)
        self._in_flight.add_peer(peer)

    def remove_peer(self, peer: int) -> None:
        """A peer is gone: what was asked from it is free again, what it has counts no longer."""
        self.release_all(peer)
        self._pieces.forget_suspect(peer)
        self._in_flight.remove_peer(peer)
        self._peers.remove(peer)

    def peer_have(self, peer: int, index: int) -> None:
        """A peer's `have` message.

        Raises:
            IndexError: the torrent has no such piece (the peer's fault: to be checked before).
        """
        self._peers.set_piece(self._peers.view(peer), index)

    def peer_bitfield(self, peer: int, pieces: Bitfield) -> None:
        """A peer's `bitfield` message; it replaces what was known. `pieces` is copied.

        Raises:
            ValueError: a bitfield of another size.
        """
        if pieces.size != self.geometry.piece_count:
            raise ValueError(f"a bitfield of {pieces.size} pieces for a torrent of {self.geometry.piece_count}")
        self._peers.set_pieces(self._peers.view(peer), pieces)

    def peer_has_all(self, peer: int) -> None:
        """A peer has everything (BEP 6 `have all`). Cost: O(1) for a peer that had nothing."""
        self._peers.set_all(self._peers.view(peer))

    def peer_lost(self, peer: int, index: int) -> None:
        """A peer does not have a piece any more (BEP 54): what was asked of it is free again. Cost: O(pieces).

        Raises:
            IndexError: the torrent has no such piece (the peer's fault: to be checked before).
        """
        for block in [block for block in self._in_flight.blocks_of(peer) if block.piece == index]:
            self.release(peer, block)
        self._peers.clear_piece(self._peers.view(peer), index)

    def set_rates(self, rates: Mapping[int, float], *, now: float) -> None:
        """How many bytes per second peers send, of those that have sent something. About once a second."""
        self._peers.set_rates(rates)
        for peer, view in self._peers.items():
            head = next(iter(self._in_flight.blocks_of(peer)), None)
            if head != view.head:
                view.head, view.head_since = head, now

    # What is wanted

    def set_priorities(self, priorities: bytes) -> tuple[tuple[int, Block], ...]:
        """The priority of every piece, from 0 (not wanted) to 7 (before all others).

        Returns: the requests (peer, block) that are withdrawn by this; answers to them are of no use.

        Raises:
            ValueError: not one priority from 0 to 7 for each piece.
        """
        if len(priorities) != self.geometry.piece_count or max(priorities, default=0) > MAX_PRIORITY:
            raise ValueError(f"{self.geometry.piece_count} pieces need as many priorities from 0 to {MAX_PRIORITY}")
        unwanted = [piece for index, piece in self._pieces.partial.items() if not priorities[index]]
        withdrawn: list[tuple[int, Block]] = []
        for piece in unwanted:
            for block in self.geometry.blocks(piece.index):
                for peer in self._in_flight.requesters(block):
                    self.release(peer, block)
                    withdrawn.append((peer, block))
            if piece.index in self._pieces.partial:
                self._pieces.give_up(piece)
        self._pieces.set_priorities(priorities)
        self._peers.set_needed(self._pieces.needed)
        return tuple(withdrawn)

    def set_deadlines(self, reader: int, deadlines: Mapping[int, float]) -> None:
        """When `reader` needs which pieces; they replace what it said before, and nothing at all withdraws them.

        A piece whose priority is 0 is not fetched all the same.

        Raises:
            IndexError: the torrent has no such piece.
        """
        missing = {index: at for index, at in deadlines.items() if self.state(index) is not PieceState.HAVE}
        self._deadlines.replace(reader, missing)

    @property
    def is_sequential(self) -> bool:
        """Whether new pieces are begun in the order of the torrent instead of rarest first."""
        return self._policy.is_sequential

    @is_sequential.setter
    def is_sequential(self, value: bool) -> None:
        self._policy.is_sequential = value

    # Choosing

    def pick(self, peer: int, count: int, *, now: float) -> list[Block]:
        """Up to `count` blocks to ask from a peer that does not choke us; they are outstanding from now on.

        What has a deadline comes first, then the order of `PieceChoice`. When no block is left that no peer was asked
        for: blocks that others were asked for (the end-game).

        Cost: a few microseconds for each block, and about ten for each piece begun, in a torrent of any size.
        """
        view, requests = self._peers.view(peer), self._requests
        blocks: list[Block] = []
        if not self._peers.interesting(view):
            return blocks
        if self._deadlines.order:
            requests.ask_again(view, islice(self._critical.late(view, now=now), count), blocks, now=now)
            self._critical.assign(
                view,
                count - len(blocks),
                lambda piece, limit: requests.ask(piece, peer, limit, blocks, now=now),
                now=now,
            )
        while len(blocks) < count:
            piece = self._policy.choose(view)
            if piece is None:
                break
            requests.ask(piece, peer, count - len(blocks), blocks, now=now)
        if len(blocks) < count and self.is_endgame:
            room = min(count - len(blocks), self.config.endgame_requests - len(self._in_flight.blocks_of(peer)))
            if room > 0:
                requests.ask_again(view, islice(requests.stalest(view, now=now), room), blocks, now=now)
        if not blocks and (taken := self.parole.take_over(view, requests.release, now=now)) is not None:
            requests.ask(taken, peer, count, blocks, now=now)
        return blocks

    def pick_from(self, peer: int, indices: Iterable[int], count: int, *, now: float) -> list[Block]:
        """Like `pick`, but only blocks of the named pieces, in their order.

        They are those that a peer suggests, or all that it gives while it chokes us (BEP 6). Pieces that the peer does
        not have, or that are not wanted, are skipped.
        """
        view, requests = self._peers.view(peer), self._requests
        blocks: list[Block] = []
        for index in indices:
            if len(blocks) >= count:
                break
            piece = self._policy.named(view, index)
            if piece is not None:
                requests.ask(piece, peer, count - len(blocks), blocks, now=now)
        return blocks

    # What became of requests

    def block_received(self, peer: int, block: Block) -> BlockReceived:
        """A block came. Its three numbers may be anything that a stranger sent."""
        return self._requests.answer(peer, block)

    def answers_received(self, peer: int, blocks: Sequence[Block]) -> list[BlockReceived | None]:
        """`block_received` for those of these blocks that are outstanding; None, and nothing done, for the others.

        Cost: a microsecond for each.
        """
        return self._requests.answer_all(peer, blocks)

    def release(self, peer: int, block: Block) -> bool:
        """One request will not be answered (rejected, or given up); False when there was none.

        An answer that comes all the same counts if the block is still needed then.
        """
        return self._requests.release(peer, block)

    def release_all(self, peer: int) -> int:
        """Nothing that was asked from a peer will be answered (it chokes us, or is too slow); returns how many."""
        return self._requests.release_all(peer)

    # What became of pieces

    def piece_verified(self, index: int) -> list[int]:
        """The hash of a COMPLETE piece is right, and its bytes are where they belong: it is HAVE.

        Returns: the peers of which it was the last piece that is wanted, but for those that have everything: they
        have nothing of interest any more just when `is_finished`.

        Raises:
            LocalProtocolError: the piece is not COMPLETE.
        """
        self._pieces.verify(index)
        return self._gained(index)

    def piece_failed(self, index: int) -> tuple[int, ...]:
        """The hash of a COMPLETE piece is wrong: it is MISSING again; returns the peers that sent blocks of it.

        From now on it is on parole: it is fetched whole from one peer, if possible from one that did not contribute.
        When a single peer is returned, that peer sent bad bytes.

        Raises:
            LocalProtocolError: the piece is not COMPLETE.
        """
        contributors = self._pieces.fail(index)
        self._failed_pieces += 1
        for peer in contributors:
            if peer not in self._peers:
                self._pieces.forget_suspect(peer)
        return contributors

    def mark_have(self, index: int) -> list[int]:
        """A piece was found on disk and verified; returns what `piece_verified` does.

        Raises:
            LocalProtocolError: the piece is PARTIAL or COMPLETE.
        """
        return self._gained(index) if self._pieces.find(index) else []

    def mark_missing(self, index: int) -> None:
        """A verified piece cannot be read back: it has to be fetched.

        Raises:
            LocalProtocolError: the piece is not HAVE.
        """
        self._pieces.lose(index)
        if self._pieces.is_wanted(index):
            self._peers.lost(index)

    def take_given_up(self) -> tuple[int, ...]:
        """The pieces whose blocks were forgotten: free what is stored of them, for all of it will be fetched again.

        They had to make room, are not wanted any more, or came from several peers when one alone was to answer for
        them. To be asked for after `pick`, `pick_from`, `block_received` and `set_priorities`, before anything else is
        received: a piece may have been begun anew already. Each is named once.
        """
        given_up = tuple(self._pieces.given_up)
        self._pieces.given_up.clear()
        return given_up

    # Views

    @property
    def have(self) -> Bitfield:
        """The verified pieces: live, not to be changed."""
        return self._pieces.have

    @property
    def is_complete(self) -> bool:
        """Every piece is HAVE."""
        return self._pieces.have.is_full

    @property
    def is_finished(self) -> bool:
        """Every piece that is wanted is HAVE."""
        return not self._pieces.needed.count

    @property
    def is_endgame(self) -> bool:
        """Every block that is needed was asked for, and some have not come."""
        return bool(self._in_flight.block_count) and self._pieces.is_all_requested

    @property
    def missing_bytes(self) -> int:
        """The bytes of all pieces that are not HAVE: what a tracker wants to know as `left`."""
        return self.geometry.content_bytes - self.geometry.content_of(self._pieces.have)

    @property
    def needed_bytes(self) -> int:
        """The bytes of all pieces that are wanted and not HAVE."""
        return self.geometry.content_of(self._pieces.needed)

    @property
    def wanted_bytes(self) -> int:
        """The bytes of all pieces that are wanted. Cost: O(pieces), in C."""
        return self.geometry.content_of(Bitfield.from_flags(self._availability.priorities))

    @property
    def priorities(self) -> bytes:
        """The priority of every piece."""
        return self._availability.priorities

    @property
    def has_deadlines(self) -> bool:
        """Whether a reader waits for a piece."""
        return bool(self._deadlines.order)

    def has_deadline(self, index: int) -> bool:
        """Whether a reader waits for this piece."""
        return index in self._deadlines.of

    def state(self, index: int) -> PieceState:
        return self._pieces.state(index)

    def is_interesting(self, peer: int) -> bool:
        """Whether a peer has a piece that is wanted and not HAVE. Cost: O(1)."""
        return bool(self._peers.interesting(self._peers.view(peer)))

    def is_seed(self, peer: int) -> bool:
        """Whether a peer has everything. Cost: O(1)."""
        return self._peers.view(peer).is_seed

    def peer_has(self, peer: int, index: int) -> bool:
        """Whether a peer has a piece. Cost: O(1)."""
        return self._peers.view(peer).has(index)

    def availability(self, index: int) -> int:
        return self._availability.count(index)

    def requested_from(self, peer: int) -> KeysView[Block]:
        """The blocks that are outstanding at a peer, stalest first: a live view whose `len` costs O(1)."""
        self._peers.view(peer)
        return self._in_flight.blocks_of(peer)

    def contributors(self, index: int) -> tuple[int, ...]:
        """The peers that sent blocks of a PARTIAL or COMPLETE piece; of other pieces nothing is known."""
        piece = self._pieces.partial.get(index) or self._pieces.complete.get(index)
        return tuple(piece.contributors) if piece is not None else ()

    def received_blocks(self, index: int) -> int:
        """How many blocks of a piece are here."""
        piece = self._pieces.partial.get(index)
        if piece is not None:
            return piece.received.bit_count()
        return 0 if self.state(index) is PieceState.MISSING else self.geometry.block_count(index)

    @property
    def stats(self) -> PickerStats:
        partial, complete, have = len(self._pieces.partial), len(self._pieces.complete), self._pieces.have.count
        return PickerStats(
            missing_pieces=self.geometry.piece_count - partial - complete - have,
            partial_pieces=partial,
            complete_pieces=complete,
            have_pieces=have,
            outstanding_blocks=self._in_flight.block_count,
            duplicate_requests=self._requests.duplicate_requests,
            unneeded_blocks=self._requests.unneeded_blocks,
            failed_pieces=self._failed_pieces,
            stolen_pieces=self._policy.stolen_pieces,
        )

    def check_invariants(self) -> None:
        """Assert what the class says about itself. Cost: O(pieces x peers), for tests."""
        self._pieces.check_invariants()
        self._peers.check_invariants()
        self._in_flight.check_invariants()
        self._deadlines.check_invariants()
        assert not any(index in self._pieces.have for index in self._deadlines.of)
        requested = {
            self.geometry.block(piece.index, number)
            for piece in self._pieces.partial.values()
            for number in range(piece.needed.bit_length())
            if piece.requested >> number & 1
        }
        assert requested == self._in_flight.blocks()

    def _gained(self, index: int) -> list[int]:
        self._deadlines.discard(index)
        return self._peers.gained(index) if self._pieces.is_wanted(index) else []
