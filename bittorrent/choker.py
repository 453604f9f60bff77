"""Whom to unchoke: tit for tat while leeching, turns while seeding, and an optimistic slot for newcomers (BEP 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import NamedTuple


class SeedingPolicy(Enum):
    """Who gets the regular slots of somebody who wants nothing in return."""

    ROUND_ROBIN = "round robin"  # everybody in turn
    FASTEST_UPLOAD = "fastest upload"  # whoever takes most: the bytes leave soonest
    ANTI_LEECH = "anti leech"  # who has hardly begun or is nearly done: both soon give to others


@dataclass(frozen=True, slots=True, kw_only=True)
class ChokerConfig:
    """How upload slots are given away.

    Attributes:
        slots: how many interested peers are unchoked at once, the optimistic ones included.
        optimistic_slots: how many of them are given without anything in return; more when regular ones are left over,
            because those who would get them snub us: so that better peers are found soon (BEP 3, "anti-snubbing").
        rechoke_interval_s: how often slots are given anew (BEP 3: 10 s, so that TCP gets up to speed).
        optimistic_interval_s: how often the optimistic ones move on (BEP 3: 30 s).
        rate_window_s: over how long it is measured who sends what (BEP 3: 20 s).
        seeding_policy: who gets the regular slots while we seed.
        seed_turn_s: how long a peer keeps its slot while we seed and others wait.
        new_peer_s: for how long a peer counts as new.
        new_peer_weight: how much likelier a new peer gets an optimistic slot (BEP 3: three times): it has nothing to
            trade yet.
    """

    slots: int = 8
    optimistic_slots: int = 1
    rechoke_interval_s: float = 10.0
    optimistic_interval_s: float = 30.0
    rate_window_s: float = 20.0
    seeding_policy: SeedingPolicy = SeedingPolicy.ROUND_ROBIN
    seed_turn_s: float = 60.0
    new_peer_s: float = 60.0
    new_peer_weight: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.optimistic_slots <= self.slots or self.slots < 1:
            raise ValueError("there must be at least one slot, and no more optimistic ones than slots")
        if not 0 < self.rechoke_interval_s <= self.optimistic_interval_s:
            raise ValueError("rechoke_interval_s must be positive and at most optimistic_interval_s")
        if self.rate_window_s < self.rechoke_interval_s:
            raise ValueError("rate_window_s must be at least rechoke_interval_s")
        if self.seed_turn_s < self.rechoke_interval_s or self.new_peer_s < 0 or self.new_peer_weight < 1:
            raise ValueError(
                "seed_turn_s must be at least rechoke_interval_s, and new peers must not be at a disadvantage"
            )


DEFAULT_CONFIG = ChokerConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChokeCandidate:
    """One connected peer, as the choker sees it.

    Attributes:
        is_interested: it wants something of us.
        is_unchoked: it may request now.
        is_snubbed: it unchoked us and sends nothing (BEP 3: for a minute): it gets no regular slot.
        download_bytes_per_s: what it has sent to us of late, over `ChokerConfig.rate_window_s`.
        upload_bytes_per_s: what we have sent to it.
        progress: the share of the torrent that it has, from 0 to 1.
        connected_at: when it connected, on the clock of `now`.
    """

    peer: int
    is_interested: bool
    is_unchoked: bool
    is_snubbed: bool = False
    download_bytes_per_s: float = 0.0
    upload_bytes_per_s: float = 0.0
    progress: float = 0.0
    connected_at: float = 0.0


class ChokeDecision(NamedTuple):
    """The messages to send: peers to unchoke and peers to choke, in no peer's favour."""

    unchoke: tuple[int, ...]
    choke: tuple[int, ...]


class ChokerCore:
    """Gives the upload slots of one torrent to its peers.

    Only interested peers take slots. An uninterested peer is choked at the next round, so it has to ask again.

    Invariants: after a round no more peers are unchoked than there are slots, and all of them are interested; between
    two rounds nobody is choked.
    """

    def __init__(self, *, rng: Random, config: ChokerConfig = DEFAULT_CONFIG) -> None:
        self._config = config
        self._rng = rng
        self._rechoke_at: float | None = None
        self._optimistic_at = float("-inf")
        self._optimistic: list[int] = []
        self._turn_began: dict[int, float] = {}
        self._turn_ended: dict[int, float] = {}

    def decide(self, peers: Sequence[ChokeCandidate], *, now: float, seeding: bool) -> ChokeDecision:
        """Who is to be unchoked and choked now.

        To be called when `next_timer` is due, and whenever somebody becomes interested or leaves: between two rounds
        only empty slots are given away.

        Args:
            peers: all connected peers, in any order.
            seeding: whether we have everything, so that nobody can give us anything.
        """
        self._forget_absent(peers)
        interested = [peer for peer in peers if peer.is_interested]
        is_round = self._rechoke_at is None or now >= self._rechoke_at
        if is_round:
            self._rechoke_at = now + self._config.rechoke_interval_s
            chosen = self._give_all(interested, now=now, seeding=seeding)
        else:
            chosen = {peer.peer for peer in interested if peer.is_unchoked}
            self._give_free(interested, chosen, now=now, seeding=seeding)
        unchoke = tuple(peer.peer for peer in interested if peer.peer in chosen and not peer.is_unchoked)
        choke = tuple(peer.peer for peer in peers if peer.is_unchoked and peer.peer not in chosen) if is_round else ()
        for number in unchoke:
            self._turn_began[number] = now
        for number in choke:
            self._turn_began.pop(number, None)
            self._turn_ended[number] = now
        return ChokeDecision(unchoke, choke)

    def next_timer(self) -> float | None:
        """When the next round is due; None before the first."""
        return self._rechoke_at

    @property
    def optimistic(self) -> tuple[int, ...]:
        """Who has an optimistic slot."""
        return tuple(self._optimistic)

    def _give_all(self, interested: Sequence[ChokeCandidate], *, now: float, seeding: bool) -> set[int]:
        regular_slots = self._config.slots - self._config.optimistic_slots
        ranking = self._ranking(interested, now=now, seeding=seeding)
        chosen = {peer.peer for peer in ranking[:regular_slots]}
        if now >= self._optimistic_at:
            self._optimistic_at = now + self._config.optimistic_interval_s
            self._optimistic.clear()
        wanting = {peer.peer for peer in interested}
        room = self._config.slots - len(chosen)
        self._optimistic = [peer for peer in self._optimistic if peer in wanting and peer not in chosen][:room]
        rest = [peer for peer in interested if peer.peer not in chosen and peer.peer not in self._optimistic]
        while rest and len(self._optimistic) < room:
            weights = [self._weight(peer, now=now) for peer in rest]
            lucky = self._rng.choices(range(len(rest)), weights)[0]
            self._optimistic.append(rest.pop(lucky).peer)
        return chosen | set(self._optimistic)

    def _give_free(self, interested: Sequence[ChokeCandidate], chosen: set[int], *, now: float, seeding: bool) -> None:
        waiting = [peer for peer in interested if peer.peer not in chosen]
        for peer in self._ranking(waiting, now=now, seeding=seeding)[: max(0, self._config.slots - len(chosen))]:
            chosen.add(peer.peer)

    def _ranking(self, peers: Sequence[ChokeCandidate], *, now: float, seeding: bool) -> list[ChokeCandidate]:
        """The peers that may have a regular slot, best first. Who has a slot stays ahead of an equal who has none."""
        if not seeding:
            able = [peer for peer in peers if not peer.is_snubbed]
            keys = {peer.peer: (-peer.download_bytes_per_s, not peer.is_unchoked, self._rng.random()) for peer in able}
            return sorted(able, key=lambda peer: keys[peer.peer])
        places = {peer.peer: self._place(peer, now=now) for peer in peers}
        return sorted(peers, key=lambda peer: places[peer.peer])

    def _place(self, peer: ChokeCandidate, *, now: float) -> tuple[float, float, float]:
        """Where a peer stands in the queue for a slot while seeding: the least is served first."""
        match self._config.seeding_policy:
            case SeedingPolicy.ROUND_ROBIN:
                return self._turn(peer, now=now)
            case SeedingPolicy.FASTEST_UPLOAD:
                return -peer.upload_bytes_per_s, not peer.is_unchoked, self._rng.random()
            case SeedingPolicy.ANTI_LEECH:
                return -abs(peer.progress - 0.5), not peer.is_unchoked, self._rng.random()

    def _turn(self, peer: ChokeCandidate, *, now: float) -> tuple[int, float, float]:
        """Place in the queue while seeding: whose turn it is; who waits, longest first; whose turn is over."""
        if not peer.is_unchoked:
            return 1, self._turn_ended.get(peer.peer, float("-inf")), self._rng.random()
        is_over = now - self._turn_began.setdefault(peer.peer, now) >= self._config.seed_turn_s
        return 2 if is_over else 0, -peer.upload_bytes_per_s, self._rng.random()

    def _weight(self, peer: ChokeCandidate, *, now: float) -> int:
        return self._config.new_peer_weight if now - peer.connected_at < self._config.new_peer_s else 1

    def _forget_absent(self, peers: Sequence[ChokeCandidate]) -> None:
        present = {peer.peer for peer in peers}
        for turns in (self._turn_began, self._turn_ended):
            for peer in [peer for peer in turns if peer not in present]:
                del turns[peer]
