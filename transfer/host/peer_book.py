"""What a host knows of peers: where they are, what they speak, how they call themselves. Pure, and bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transfer.host.identify import Identification
from transfer.host.peer_record import PeerRecord
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerBookConfig:
    """Bounds of a `PeerBook`.

    Attributes:
        max_peers: the one heard from longest ago is forgotten first, unless it is connected.
        max_addresses: of one peer; those that end first go first.
        max_protocols: of one peer.
        hearsay_s: how long an address is kept that others told.
        record_s: how long one is kept that the peer itself has told or that led to it.
    """

    max_peers: int = 4096
    max_addresses: int = 32
    max_protocols: int = 256
    hearsay_s: float = 900.0
    record_s: float = 3600.0

    def __post_init__(self) -> None:
        if min(self.max_peers, self.max_addresses, self.max_protocols) < 1:
            raise ValueError("a peer book must have room for something")
        if min(self.hearsay_s, self.record_s) <= 0:
            raise ValueError("the times of a peer book must be positive")


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """What is known of one peer now.

    Attributes:
        is_certified: it has signed its addresses.
        protocols: None as long as it has not said what it speaks.
    """

    peer_id: PeerId
    addresses: tuple[Multiaddr, ...]
    is_certified: bool
    protocols: tuple[str, ...] | None
    agent: str | None


class PeerBook:
    """Addresses without the id of their peer, best known last heard.

    Invariants:
        no bound of the config is exceeded, unless as many peers are connected; then one more is remembered
        a record is replaced by newer ones only, and what others tell is not added to what the peer has signed
    """

    def __init__(self, config: PeerBookConfig | None = None) -> None:
        self._config = config or PeerBookConfig()
        self._peers: dict[PeerId, _Entry] = {}  # the one heard from longest ago is the first

    # Inputs

    def add(self, peer_id: PeerId, addresses: Iterable[Multiaddr], *, now: float) -> None:
        """Others say that a peer is there. Of a peer that has signed its addresses that is ignored."""
        entry = self._touch(peer_id)
        if entry.record is None:
            self._learn(entry, peer_id, addresses, until=now + self._config.hearsay_s)

    def reached(self, peer_id: PeerId, address: Multiaddr, *, now: float) -> None:
        """The peer is there: a call has shown it."""
        self._learn(self._touch(peer_id), peer_id, (address,), until=now + self._config.record_s)

    def certify(self, record: PeerRecord, *, now: float) -> bool:
        """The peer has signed where it is; False for a record that is older than the one that is known."""
        entry = self._touch(record.peer_id)
        if entry.record is not None and record.sequence < entry.record.sequence:
            return False
        entry.record = record
        until = now + self._config.record_s
        entry.addresses = {}
        self._learn(entry, record.peer_id, record.addresses, until=until)
        return True

    def identified(self, peer_id: PeerId, said: Identification, *, now: float) -> None:
        """The peer has told of itself; what it has left out stays as it was."""
        entry = self._touch(peer_id)
        if said.protocols is not None:
            entry.protocols = said.protocols[: self._config.max_protocols]
        if said.agent is not None:
            entry.agent = said.agent
        if said.record is not None:
            self.certify(said.record, now=now)
        elif said.addresses is not None and entry.record is None:
            self._learn(entry, peer_id, said.addresses, until=now + self._config.record_s)

    def keep(self, peer_id: PeerId) -> None:
        """It is connected: what is known of it is not forgotten until `release` was called as often."""
        self._touch(peer_id).kept += 1

    def release(self, peer_id: PeerId) -> None:
        """One connection less."""
        entry = self._peers.get(peer_id)
        if entry is not None and entry.kept:
            entry.kept -= 1
            self._shrink()

    def forget(self, peer_id: PeerId) -> None:
        """Nothing more is known of it, unless it is connected."""
        entry = self._peers.get(peer_id)
        if entry is not None and not entry.kept:
            del self._peers[peer_id]

    # Views

    def get(self, peer_id: PeerId, *, now: float) -> KnownPeer | None:
        """What is known of a peer; None: nothing."""
        entry = self._peers.get(peer_id)
        if entry is None:
            return None
        addresses = tuple(address for address, until in entry.addresses.items() if until > now or entry.kept)
        return KnownPeer(peer_id, addresses, entry.record is not None, entry.protocols, entry.agent)

    def addresses(self, peer_id: PeerId, *, now: float) -> tuple[Multiaddr, ...]:
        """Where it is said to be, without its id."""
        known = self.get(peer_id, now=now)
        return () if known is None else known.addresses

    def speaks(self, peer_id: PeerId, protocols: Iterable[str]) -> str | None:
        """The first of some protocols that the peer has said to speak."""
        entry = self._peers.get(peer_id)
        theirs = () if entry is None or entry.protocols is None else entry.protocols
        return next((protocol for protocol in protocols if protocol in theirs), None)

    def __contains__(self, peer_id: PeerId) -> bool:
        return peer_id in self._peers

    def __len__(self) -> int:
        return len(self._peers)

    def check_invariants(self) -> None:
        kept = sum(1 for entry in self._peers.values() if entry.kept)
        assert len(self._peers) <= max(self._config.max_peers, kept + 1)
        for entry in self._peers.values():
            assert len(entry.addresses) <= self._config.max_addresses
            assert len(entry.protocols or ()) <= self._config.max_protocols
            assert all(address.peer_id is None for address in entry.addresses)

    def _touch(self, peer_id: PeerId) -> _Entry:
        entry = self._peers.pop(peer_id, None) or _Entry()
        self._peers[peer_id] = entry
        self._shrink(sparing=peer_id)
        return entry

    def _shrink(self, *, sparing: PeerId | None = None) -> None:
        while len(self._peers) > self._config.max_peers:
            free = (peer for peer, entry in self._peers.items() if not entry.kept and peer != sparing)
            oldest = next(free, None)
            if oldest is None:
                return
            del self._peers[oldest]

    def _learn(self, entry: _Entry, peer_id: PeerId, addresses: Iterable[Multiaddr], *, until: float) -> None:
        for address in addresses:
            if address.peer_id not in (None, peer_id):
                continue
            own = address.without_peer_id
            if own is not None:
                entry.addresses[own] = max(until, entry.addresses.pop(own, until))
        excess = len(entry.addresses) - self._config.max_addresses
        if excess > 0:
            for address in sorted(entry.addresses, key=entry.addresses.__getitem__)[:excess]:
                del entry.addresses[address]


class _Entry:
    __slots__ = ("addresses", "agent", "kept", "protocols", "record")

    def __init__(self) -> None:
        self.addresses: dict[Multiaddr, float] = {}
        self.protocols: tuple[str, ...] | None = None
        self.agent: str | None = None
        self.record: PeerRecord | None = None
        self.kept = 0
