"""Which peers to fetch the metadata of a magnet link from, and when to give up on one (BEP 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bittorrent.errors import WireError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.wire.metadata import MetadataCopy, MetadataData, MetadataReject, MetadataRequest


@dataclass(slots=True)
class _Source:
    size: int
    began_at: float = 0.0  # its turn
    asked: int | None = None  # the piece that is under way
    asked_at: float = 0.0
    strikes: int = 0  # time-outs since it last sent something
    rejects: int = 0  # since it last sent something
    owed: set[int] = field(default_factory=set)  # asked for and not answered, late ones too
    rejected: set[int] = field(default_factory=set)


class MetadataExchange:
    """Fetches the metadata from several peers at a time, a piece from each, until a copy is right.

    A peer has one request at a time: rtorrent 0.9.8 answers only the first of several. All peers that say the same size
    work on one copy, so what has come stays, whichever goes. Should that have the wrong hash, it is not known
    which peer spoilt it: from then on each makes a copy of its own, beginning with what it has sent, and a liar is
    found out.

    Args:
        torrent_id: the metadata must have each of its hashes, to the last byte; it may have one more.
        max_sources: peers that are asked at a time.
        timeout_s: silence after which another peer is asked; after the second time in a row the connection is worn out.
        turn_s: how long one source may take while others wait: one that sends a piece now and then must not keep out
            those that would send all at once.
        retry_s: when to ask a peer again that refused.

    Invariants:
        at most max_sources peers are asked; no peer is in two of asked, waiting and refused
        at most 3 * max_sources copies
    """

    def __init__(
        self,
        *,
        torrent_id: TorrentId,
        max_sources: int = 8,
        timeout_s: float = 15.0,
        turn_s: float = 30.0,
        retry_s: float = 60.0,
    ) -> None:
        self._torrent_id = torrent_id
        self._max_sources = max_sources
        self._timeout_s = timeout_s
        self._turn_s = turn_s
        self._retry_s = retry_s
        self._waiting: dict[int, _Source] = {}  # by peer number, first come first served
        self._active: dict[int, _Source] = {}
        self._refused: dict[int, tuple[_Source, float]] = {}  # and when to ask again
        self._copies: dict[tuple[int, int | None], MetadataCopy] = {}  # by size, and by peer where that is mistrusted
        self._mistrusted: set[int] = set()  # sizes of copies that were spoilt

    # Inputs

    def offer(self, peer: int, size: int) -> None:
        """A peer says that it has metadata of `size` bytes."""
        if peer not in self._active and peer not in self._refused:
            known = self._waiting.get(peer)
            if known is None or known.size != size:
                self._waiting[peer] = _Source(size)

    def forget(self, peer: int) -> None:
        """The peer is gone; what it sent for all stays."""
        source = self._active.pop(peer, None) or self._waiting.pop(peer, None)
        self._refused.pop(peer, None)
        if source is not None:
            self._copies.pop((source.size, peer), None)

    def receive(self, peer: int, message: MetadataData | MetadataReject, *, now: float) -> bytes | None:
        """The info dictionary when this answer completed a right copy.

        Raises:
            WireError: the peer sent something wrong; the caller drops it.
        """
        source = self._active.get(peer) or self._waiting.get(peer)
        if source is None:
            return None
        if message.index not in source.owed:  # it came twice, because it was asked twice: the peer is slow, not silent
            source.strikes = 0
            return None
        source.owed.discard(message.index)
        if source.asked == message.index:
            source.asked = None
        if isinstance(message, MetadataReject):
            self._rejected(peer, source, message.index, now=now)
            return None
        source.strikes = source.rejects = 0
        copy = self._copy_of(peer, source)
        try:
            copy.receive(message, sender=peer)
            return self._complete(peer, source, copy) if copy.is_complete else None
        except WireError:
            self._drop(peer)
            raise

    def handle_timer(self, *, now: float) -> list[int]:
        """Looks for others where peers are silent; returns the peers whose connection is worn out.

        These are asked again when nobody else can be: the caller may rather make a fresh connection.
        """
        worn = []
        for peer, source in list(self._active.items()):
            if source.asked is not None and now - source.asked_at >= self._timeout_s:
                source.asked = None
                source.strikes += 1
                if source.strikes >= MAX_STRIKES:
                    worn.append(peer)
            elif not (self._waiting and now - source.began_at >= self._turn_s):
                continue
            del self._active[peer]
            self._waiting[peer] = source
        for peer, (source, due) in list(self._refused.items()):
            if now >= due:
                del self._refused[peer]
                self._waiting[peer] = _Source(source.size)
        return worn

    def take_up(self, size: int, pieces: Mapping[int, bytes]) -> None:
        """What an earlier run has kept of a copy; nobody answers for it, so nobody is to blame should it be wrong.

        Raises:
            WireError: no such copy.
        """
        copy = MetadataCopy(size=size)
        for index, data in pieces.items():
            copy.receive(MetadataData(index, data, size), sender=NOBODY)
        if not copy.is_complete:  # then it would have been the metadata
            self._copies[(size, None)] = copy

    # Outputs

    def requests_to_send(self, *, now: float) -> list[tuple[int, MetadataRequest]]:
        """What to ask of which source, new ones included."""
        while self._waiting and len(self._active) < self._max_sources:
            peer = next(iter(self._waiting))
            source = self._active[peer] = self._waiting.pop(peer)
            source.began_at, source.asked = now, None
        requests = []
        for peer, source in list(self._active.items()):
            if source.asked is not None:
                continue
            index = self._choose(peer, source)
            if index is None:
                self._refuse(peer, source, now=now)
                continue
            source.asked, source.asked_at = index, now
            source.owed.add(index)
            requests.append((peer, MetadataRequest(index)))
        return requests

    # Views

    def kept(self) -> MetadataCopy | None:
        """What is worth keeping for the next run: the largest part of a copy that nobody is known to have spoilt."""
        trusted = [copy for (_, peer), copy in self._copies.items() if peer is None and len(copy)]
        return max(trusted, key=len, default=None)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert len(self._active) <= self._max_sources
        assert not self._active.keys() & self._waiting.keys()
        assert not self._refused.keys() & (self._active.keys() | self._waiting.keys())
        assert len(self._copies) <= 3 * self._max_sources

    def _choose(self, peer: int, source: _Source) -> int | None:
        """The first piece that nobody else is asked for; when there is none, one that others are late with."""
        key = self._key(peer, source)
        copy = self._copies.get(key) or MetadataCopy(size=source.size)
        under_way = {
            other.asked
            for number, other in self._active.items()
            if other is not source and self._key(number, other) == key
        }
        late = None
        for index in copy.missing():
            if index in source.rejected:
                continue
            if index not in under_way:
                return index
            if late is None:
                late = index
        return late

    def _key(self, peer: int, source: _Source) -> tuple[int, int | None]:
        return source.size, peer if source.size in self._mistrusted else None

    def _copy_of(self, peer: int, source: _Source) -> MetadataCopy:
        key = self._key(peer, source)
        copy = self._copies.get(key)
        if copy is None:
            if len(self._copies) >= 3 * self._max_sources:
                in_use = {self._key(number, other) for number, other in self._active.items()}
                spare = [other for other in self._copies if other not in in_use]
                del self._copies[min(spare, key=lambda other: len(self._copies[other]))]
            copy = self._copies[key] = MetadataCopy(size=source.size)
        return copy

    def _complete(self, peer: int, source: _Source, copy: MetadataCopy) -> bytes | None:
        info_bytes = copy.joined()
        if self._torrent_id.names(info_bytes):
            return info_bytes
        self._copies.pop(self._key(peer, source), None)
        if set(copy.senders.values()) == {peer}:
            raise WireError("the peer's metadata does not have the info-hash of the torrent")
        if len(self._mistrusted) < MAX_MISTRUSTED:
            self._mistrusted.add(copy.size)
            for sender in set(copy.senders.values()) & self._active.keys():
                self._copy_of(sender, self._active[sender])
                self._copies[(copy.size, sender)] = copy.part_of(sender)
        return None

    def _rejected(self, peer: int, source: _Source, index: int, *, now: float) -> None:
        source.rejected.add(index)
        source.rejects += 1
        if source.rejects >= MAX_REJECTS or len(self._mistrusted & {source.size}):
            self._refuse(peer, source, now=now)

    def _refuse(self, peer: int, source: _Source, *, now: float) -> None:
        self._drop(peer)
        self._refused[peer] = source, now + self._retry_s

    def _drop(self, peer: int) -> None:
        self._active.pop(peer, None)
        self._waiting.pop(peer, None)


NOBODY = 0  # the number of no peer
MAX_STRIKES = 2
MAX_REJECTS = 3  # in a row: it has nothing for us
MAX_MISTRUSTED = 256  # sizes: each costs those that lie about it their connections
