"""Which piece the only seed of a torrent admits to have, to whom, and when it admits the next one (BEP 16)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperSeedingConfig:
    """How freely pieces are offered.

    Attributes:
        offers: pieces that one peer is offered and has not fetched: two, so that it never waits for the next one.
        first_unconfirmed: pieces that one peer may have fetched while nobody else was seen to have
            them: at first, and at most. Each that it passes on allows one more, so that the best peers never wait, and
            a peer that passes nothing on gets no more than the first few.
        max_unconfirmed: see `first_unconfirmed`.
        stale_s: a piece on offer that has not moved for so long is offered to another peer, too.
        confirm_timeout_s: after so long a piece counts as passed on: others may have no use for it, or not tell.
    """

    offers: int = 2
    first_unconfirmed: int = 4
    max_unconfirmed: int = 64
    stale_s: float = 5.0
    confirm_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.offers <= self.first_unconfirmed <= self.max_unconfirmed:
            raise ValueError("1 <= offers <= first_unconfirmed <= max_unconfirmed must hold")
        if min(self.stale_s, self.confirm_timeout_s) <= 0:
            raise ValueError("times must be positive")


DEFAULT_CONFIG = SuperSeedingConfig()


class SuperSeeding:
    """Sends each piece once before any piece twice, as far as peers allow: a full copy leaves the seed soonest.

    A peer is told of a few pieces at a time, those that the fewest have. It is told of more when it has fetched them,
    as long as others turn up with what it got. That shows which peers pass pieces on; the others have to wait.

    Invariants:
        `_order` counts for each piece the peers that announced it or fetched it from us
        a peer has at most config.offers pieces on offer, and at most its allowance with those it has not passed on
    """

    __slots__ = ("_config", "_geometry", "_offered", "_order", "_peers", "_rng")

    def __init__(self, geometry: Geometry, *, rng: Random, config: SuperSeedingConfig = DEFAULT_CONFIG) -> None:
        self._geometry = geometry
        self._rng = rng
        self._config = config
        self._order = _CopyOrder(geometry.piece_count)
        self._peers: dict[int, _Peer] = {}
        self._offered: dict[int, float] = {}  # pieces on offer, and when they last moved

    # What is seen

    def add_peer(self, peer: int) -> None:
        """A peer connected; it has nothing until it says so."""
        self._peers[peer] = _Peer(self._config.first_unconfirmed)

    def remove_peer(self, peer: int) -> None:
        """A peer is gone, and with it what only it had."""
        gone = self._peers.pop(peer)
        self._withdraw(gone.on_offer)
        self._order.shift(gone.counted, -1)

    def peer_has(self, peer: int, index: int, *, now: float) -> list[int]:
        """A peer announced a piece; returns which peers may be offered more.

        These are the one that gave it away, it seems, and the one that has it now, if we had offered it: it need not
        have fetched all of it from us, neither what others sent, nor padding.
        """
        known = self._peers[peer]
        bit = self._order.bit(index)
        known.has |= bit
        deserving = self._confirm(peer, index)
        if self._fetched(known, index, now=now):
            deserving.append(peer)
        self._count(known, bit)
        return deserving

    def peer_has_many(self, peer: int, bits: Bitfield, *, now: float) -> list[int]:
        """`peer_has` for each of `bits`."""
        known = self._peers[peer]
        mask = self._order.mask(bits)
        known.has |= mask
        deserving: dict[int, None] = {}
        for index in [index for index in (*known.on_offer, *known.dormant) if self._order.bit(index) & mask]:
            if self._fetched(known, index, now=now):
                deserving[peer] = None
        self._count(known, mask)
        for other in self._peers.values():
            for index in list(other.unconfirmed):
                if self._order.bit(index) & mask:
                    deserving |= dict.fromkeys(self._confirm(peer, index))
        return list(deserving)

    def block_sent(self, peer: int, block: Block, *, now: float) -> bool:
        """A peer fetched a block; True when that makes room for another offer."""
        known, index = self._peers[peer], block.piece
        fetching = known.on_offer if index in known.on_offer else known.dormant
        if index not in fetching:
            return False
        if self._geometry.needed_blocks(index) >> block.begin // BLOCK_SIZE & 1:  # padding may be asked for, or not
            fetching[index] -= block.length
        if index in self._offered:
            self._offered[index] = now
        return fetching[index] <= 0 and self._fetched(known, index, now=now)

    def choked(self, peer: int) -> None:
        """A peer may not fetch any more what it was offered: another may be offered it."""
        known = self._peers[peer]
        withdrawn, known.on_offer = known.on_offer, {}
        known.dormant |= withdrawn
        self._withdraw(withdrawn)

    def handle_timer(self, *, now: float) -> None:
        """Loses patience with what nobody passes on. About once a second."""
        for peer in self._peers.values():
            while peer.unconfirmed:
                index, since = next(iter(peer.unconfirmed.items()))
                if now - since < self._config.confirm_timeout_s:
                    break
                del peer.unconfirmed[index]

    # What follows

    def offer(self, peer: int, *, now: float) -> list[int]:
        """The pieces to announce to an unchoked peer now; they count as announced."""
        known = self._peers[peer]
        self._awake(known, now=now)
        found: list[int] = []
        while self._has_room(known):
            index = self._choose(known, now=now)
            if index is None:
                break
            known.told |= self._order.bit(index)
            known.on_offer[index] = sum(block.length for block in self._geometry.blocks(index))
            self._offered[index] = now
            found.append(index)
        return found

    def is_told(self, peer: int, index: int) -> bool:
        """Whether a peer was told that we have a piece, and may ask for it."""
        return bool(self._peers[peer].told & self._order.bit(index))

    def wants_more(self, peer: int) -> bool:
        """Whether a peer lacks pieces that it was not told of: it may be worth a slot though it shows no interest."""
        known = self._peers[peer]
        return (known.has | known.told) != self._order.everything

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        self._order.check_invariants()
        for index in range(self._geometry.piece_count):
            bit = self._order.bit(index)
            assert self._order.copies(index) == sum(bool(peer.counted & bit) for peer in self._peers.values())
        for peer in self._peers.values():
            assert len(peer.on_offer) <= self._config.offers
            assert len(peer.on_offer) + len(peer.unconfirmed) <= peer.allowance <= self._config.max_unconfirmed
            assert peer.on_offer.keys() <= self._offered.keys()
            assert not peer.on_offer.keys() & peer.dormant.keys()
        assert all(any(index in peer.on_offer for peer in self._peers.values()) for index in self._offered)

    def _has_room(self, known: _Peer) -> bool:
        on_offer = len(known.on_offer)
        return on_offer < self._config.offers and on_offer + len(known.unconfirmed) < known.allowance

    def _awake(self, known: _Peer, *, now: float) -> None:
        """What a peer was offered before it was choked it will ask for now: it counts if nobody else has it yet."""
        for index in list(known.dormant):
            if self._has_room(known) and not self._order.copies(index):
                known.on_offer[index] = known.dormant.pop(index)
                self._offered[index] = now

    def _choose(self, known: _Peer, *, now: float) -> int | None:
        """The piece with the fewest copies that nobody is fetching; one that is only if that has come to a halt."""
        lacking = self._order.everything & ~(known.has | known.told)
        fetched = stale = 0
        for index, moved_at in self._offered.items():
            fetched |= self._order.bit(index)
            if now - moved_at >= self._config.stale_s:
                stale |= self._order.bit(index)
        return self._order.fewest(lacking & (~fetched | stale), self._rng)

    def _fetched(self, known: _Peer, index: int, *, now: float) -> bool:
        """A peer has a piece; whether it had an offer of it, so that there is room for another one."""
        if known.on_offer.pop(index, None) is None and known.dormant.pop(index, None) is None:
            return False
        self._withdraw((index,))
        self._count(known, self._order.bit(index))
        if self._order.copies(index) < 2 and len(self._peers) > 1 and len(known.unconfirmed) < known.allowance:
            known.unconfirmed[index] = now
        return True

    def _confirm(self, peer: int, index: int) -> list[int]:
        deserving = []
        for number, other in self._peers.items():
            if number != peer and other.unconfirmed.pop(index, None) is not None:
                other.allowance = min(other.allowance + 1, self._config.max_unconfirmed)
                deserving.append(number)
        return deserving

    def _count(self, known: _Peer, mask: int) -> None:
        news = mask & ~known.counted
        if news:
            known.counted |= news
            self._order.shift(news, 1)

    def _withdraw(self, indices: Iterable[int]) -> None:
        """A peer does not fetch these any more."""
        for index in indices:
            if not any(index in peer.on_offer for peer in self._peers.values()):
                self._offered.pop(index, None)


class _Peer:
    __slots__ = ("allowance", "counted", "dormant", "has", "on_offer", "told", "unconfirmed")

    def __init__(self, allowance: int) -> None:
        self.allowance = allowance  # how many pieces it may have on offer or not passed on
        self.has = 0  # pieces that it announced
        self.told = 0  # pieces that it was told of
        self.counted = 0  # pieces that it is known to have: announced, or fetched from us
        self.on_offer: dict[int, int] = {}  # piece: bytes that were not fetched yet
        self.dormant: dict[int, int] = {}  # the same, for what it was offered before it was choked
        self.unconfirmed: dict[int, float] = {}  # fetched and seen nowhere else: since when


class _CopyOrder:
    """The pieces by the number of their copies, each level a set of bits: the first piece is the highest bit."""

    __slots__ = ("_levels", "_width", "everything")

    def __init__(self, piece_count: int) -> None:
        self._width = -(-piece_count // 8) * 8
        self.everything = ((1 << piece_count) - 1) << (self._width - piece_count)
        self._levels = [self.everything]

    def bit(self, index: int) -> int:
        return 1 << (self._width - 1 - index)

    def mask(self, bits: Bitfield) -> int:
        return int.from_bytes(bits.to_wire(), "big")

    def copies(self, index: int) -> int:
        bit = self.bit(index)
        return next(level for level, mask in enumerate(self._levels) if mask & bit)

    def shift(self, mask: int, by: int) -> None:
        """One copy more (or less) of each piece of a set. Cost: O(levels) operations on big integers."""
        if by > 0:
            self._levels.append(0)
        moves = [level & mask for level in self._levels]
        for number, moved in enumerate(moves):
            if moved:
                self._levels[number] &= ~moved
                self._levels[number + by] |= moved
        while len(self._levels) > 1 and not self._levels[-1]:
            self._levels.pop()

    def fewest(self, mask: int, rng: Random) -> int | None:
        """A piece of a set with the fewest copies, any of them."""
        for level in self._levels:
            found = level & mask
            if found:
                below = found & ((1 << rng.randrange(1, self._width + 1)) - 1)
                return self._width - (below or found).bit_length()
        return None

    def check_invariants(self) -> None:
        union = 0
        for level in self._levels:
            assert not union & level, "a piece is in two levels"
            union |= level
        assert union == self.everything
