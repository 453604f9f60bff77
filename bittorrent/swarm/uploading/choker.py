"""Which peers to unchoke: tit for tat while leeching, turns while seeding, an optimistic slot for newcomers (BEP 3).

A slot is worth its requests: a peer that takes nothing for a while rests, and loses its slot to any peer that waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import NamedTuple


class SeedingPolicy(Enum):
    """Which peers get the regular slots of a client that wants nothing in return."""

    ROUND_ROBIN = "round robin"  # everybody in turn
    FASTEST_UPLOAD = "fastest upload"  # the peers that take most: the bytes leave soonest
    ANTI_LEECH = "anti leech"  # peers that have hardly begun or are nearly done: both soon give to others


@dataclass(frozen=True, slots=True, kw_only=True)
class ChokerConfig:
    """How upload slots are given away.

    Attributes:
        slots: how many interested peers are unchoked at once, the optimistic ones included.
        optimistic_slots: how many of them are given without anything in return; more when regular ones are left over,
            because the peers that would get them snub us: so that better peers are found soon (BEP 3, "anti-snubbing").
        rechoke_interval_s: how often slots are given anew (BEP 3: 10 s, so that TCP gets up to speed).
        optimistic_interval_s: how often the optimistic ones move on (BEP 3: 30 s).
        rate_window_s: over how long it is measured what each peer sends (BEP 3: 20 s).
        seeding_policy: which peers get the regular slots while we seed.
        seed_turn_s: how long a peer keeps its slot while we seed and others wait.
        new_peer_s: for how long a peer counts as new.
        new_peer_weight: how much likelier a new peer gets an optimistic slot (BEP 3: three times): it has nothing to
            trade yet.
        idle_slot_s: a peer that has asked for nothing for so long rests. Longer than a slow round trip and a request.
        stalled_slot_s: the same for a peer that has asked, but to which nothing gets through; half of it when nothing
            gets through to anybody.
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
    idle_slot_s: float = 2.0
    stalled_slot_s: float = 12.0

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
        if not 0 < self.idle_slot_s <= self.stalled_slot_s:
            raise ValueError("idle_slot_s must be positive and at most stalled_slot_s")


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
        idle_s: for how long it has been unchoked and nothing has got through to it, although nothing of ours was in
            the way.
        has_requests: something that it has asked for has not got through yet.
        has_taken: it was sent something since it was unchoked.
        has_idled: it made nothing of a slot that it had not long ago.
        stalled_s: for how long nothing has got through to it, choked or not, although something waits.
    """

    peer: int
    is_interested: bool
    is_unchoked: bool
    is_snubbed: bool = False
    download_bytes_per_s: float = 0.0
    upload_bytes_per_s: float = 0.0
    progress: float = 0.0
    connected_at: float = 0.0
    idle_s: float = 0.0
    has_requests: bool = False
    has_taken: bool = False
    has_idled: bool = False
    stalled_s: float = 0.0


class ChokeDecision(NamedTuple):
    """The messages to send: peers to unchoke and peers to choke, in no peer's favour."""

    unchoke: tuple[int, ...]
    choke: tuple[int, ...]


class ChokerCore:
    """Gives the upload slots of one torrent to its peers.

    Only interested peers take slots. An uninterested peer is choked at the next round, so it has to ask again.

    Invariants: after a round no more peers are unchoked than there are slots, and all of them are interested; between
    two rounds only peers that rest are choked, and only if another gets the slot.
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
        """Which peers are to be unchoked and choked now.

        To be called when `next_timer` is due, about once a second, and whenever a peer becomes interested or leaves:
        between two rounds only empty slots are given away, and those of peers that rest.

        Args:
            peers: all connected peers, in any order.
            seeding: whether we have everything, so that nobody can give us anything.
        """
        self._forget_absent(peers)
        interested = [peer for peer in peers if peer.is_interested]
        resting = self._resting([peer for peer in interested if peer.is_unchoked])
        rest = {peer.peer for peer in resting}
        able = [
            peer
            for peer in interested
            if peer.peer not in rest and (peer.is_unchoked or peer.stalled_s < self._config.stalled_slot_s / 2)
        ]
        is_round = self._rechoke_at is None or now >= self._rechoke_at
        if is_round:
            self._rechoke_at = now + self._config.rechoke_interval_s
            chosen = self._give_all(able, now=now, seeding=seeding)
        else:
            chosen = {peer.peer for peer in able if peer.is_unchoked}
            self._give_free([peer for peer in able if not peer.has_idled], chosen, now=now, seeding=seeding)
        kept = self._keep(resting, self._config.slots - len(chosen)) | chosen
        unchoke = tuple(peer.peer for peer in interested if peer.peer in chosen and not peer.is_unchoked)
        leaving = peers if is_round else resting
        choke = tuple(peer.peer for peer in leaving if peer.is_unchoked and peer.peer not in kept)
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
        """The peers that have an optimistic slot."""
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
        for idlers in (False, True):
            hopeful = [peer for peer in rest if peer.has_idled is idlers]
            while hopeful and len(self._optimistic) < room:
                weights = [self._weight(peer, now=now) for peer in hopeful]
                lucky = self._rng.choices(range(len(hopeful)), weights)[0]
                self._optimistic.append(hopeful.pop(lucky).peer)
        return chosen | set(self._optimistic)

    def _give_free(self, interested: Sequence[ChokeCandidate], chosen: set[int], *, now: float, seeding: bool) -> None:
        waiting = [peer for peer in interested if peer.peer not in chosen]
        for peer in self._ranking(waiting, now=now, seeding=seeding)[: max(0, self._config.slots - len(chosen))]:
            chosen.add(peer.peer)

    def _resting(self, unchoked: Sequence[ChokeCandidate]) -> list[ChokeCandidate]:
        """The peers that take nothing, and give nothing either.

        A slow peer is not idle. While there are peers that have yet to show that they want anything at all, no peer
        that has asked is put back.
        """
        config = self._config
        is_line_busy = any(peer.idle_s < config.idle_slot_s for peer in unchoked)
        are_all_tested = all(peer.has_taken or peer.has_requests for peer in unchoked)
        stalled_s = (config.stalled_slot_s if is_line_busy else config.stalled_slot_s / 2) if are_all_tested else INF
        return [
            peer
            for peer in unchoked
            if peer.idle_s >= (stalled_s if peer.has_requests else config.idle_slot_s) and not peer.download_bytes_per_s
        ]

    def _keep(self, resting: Sequence[ChokeCandidate], room: int) -> set[int]:
        """Which of those that rest stay unchoked while there is room: those that asked for more, or rested least."""
        order = sorted(resting, key=lambda peer: (not peer.has_requests, peer.idle_s, peer.peer))
        return {peer.peer for peer in order[: max(0, room)]}

    def _ranking(self, peers: Sequence[ChokeCandidate], *, now: float, seeding: bool) -> list[ChokeCandidate]:
        """The peers that may have a regular slot, best first. One with a slot stays ahead of an equal without."""
        able = peers if seeding else [peer for peer in peers if not peer.is_snubbed]
        draw = self._draw(able)
        places: dict[int, tuple[float, ...]]
        if seeding:
            places = {peer.peer: (peer.has_idled, *self._place(peer, now=now), draw[peer.peer]) for peer in able}
        else:
            places = {
                peer.peer: (
                    peer.has_idled,
                    -peer.download_bytes_per_s,
                    not peer.is_unchoked,
                    self._turn_ended.get(peer.peer, float("-inf")),
                    draw[peer.peer],
                )
                for peer in able
            }
        return sorted(able, key=lambda peer: places[peer.peer])

    def _draw(self, peers: Sequence[ChokeCandidate]) -> dict[int, int]:
        """Decides between equals: the peer that came last, the one that came first, and so on in turn.

        A crowd that asks for nothing must not keep a newcomer waiting, nor newcomers the peers that wait for long.
        """
        line = list(peers)
        self._rng.shuffle(line)
        line.sort(key=lambda peer: peer.connected_at)
        half = len(line) // 2
        return {peer.peer: 2 * at + 1 for at, peer in enumerate(line[:half])} | {
            peer.peer: 2 * at for at, peer in enumerate(reversed(line[half:]))
        }

    def _place(self, peer: ChokeCandidate, *, now: float) -> tuple[float, float]:
        """Where a peer stands in the queue for a slot while seeding: the least is served first."""
        match self._config.seeding_policy:
            case SeedingPolicy.ROUND_ROBIN:
                return self._turn(peer, now=now)
            case SeedingPolicy.FASTEST_UPLOAD:
                return -peer.upload_bytes_per_s, not peer.is_unchoked
            case SeedingPolicy.ANTI_LEECH:
                return -abs(peer.progress - 0.5), not peer.is_unchoked

    def _turn(self, peer: ChokeCandidate, *, now: float) -> tuple[int, float]:
        """Place in the queue while seeding: peers in their turn; those that wait, longest first; those after it."""
        if not peer.is_unchoked:
            return 1, self._turn_ended.get(peer.peer, float("-inf"))
        is_over = now - self._turn_began.setdefault(peer.peer, now) >= self._config.seed_turn_s
        return 2 if is_over else 0, -peer.upload_bytes_per_s

    def _weight(self, peer: ChokeCandidate, *, now: float) -> int:
        return self._config.new_peer_weight if now - peer.connected_at < self._config.new_peer_s else 1

    def _forget_absent(self, peers: Sequence[ChokeCandidate]) -> None:
        present = {peer.peer for peer in peers}
        for turns in (self._turn_began, self._turn_ended):
            for peer in [peer for peer in turns if peer not in present]:
                del turns[peer]


INF = float("inf")
