"""Hole punching of a swarm (BEP 55): whom to ask for an introduction, and whose introductions to follow. Pure.

    we, about a peer that nobody answers for            a peer, about us
    ask() -> rendezvous to who named it (PEX)           connect, which we did not ask for
       |        |                                          |
       |     refused -> PunchFailed                     within the bounds, and where its relay can see
       |        |                                          |
       |     connect, for the endpoint or another port     |
       |     of its host -> PunchWanted(asked=…)        PunchWanted(asked=None)

Who else may be brought together, `PunchRelay` decides.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from bittorrent.swarm.events import PunchFailed, PunchWanted, SwarmEvent
from bittorrent.swarm.peer import FIRST_UNPRIVILEGED_PORT, SwarmPeer
from bittorrent.swarm.punching.config import PunchingConfig
from bittorrent.swarm.punching.relay import NUISANCE, PunchRelay
from bittorrent.wire.holepunch import PunchConnect, PunchMessage, PunchRefused, Rendezvous
from transfer.address import Address, is_plausible_from, is_usable_peer
from transfer.limits.token_bucket import TokenBucket
from transfer.reach import Reach, reach_of


@dataclass(slots=True)
class _Asked:
    """An introduction that we wait for."""

    relay: int
    until: float


class SwarmPunching:
    """Silent until it is offered, and for good in a private torrent.

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
        events: where calls to be made are reported.
        introducers: the numbers of the peers that have named an endpoint, and said that it knows hole punching.

    Attributes:
        is_offered: we can call others over uTP, and be called.
        ignored: introductions that were not followed.

    Invariants:
        at most max_asked introductions are waited for, each of a connected peer
        of at most max_remembered endpoints is known who brought us together
    """

    def __init__(
        self,
        peers: Mapping[int, SwarmPeer],
        touch: Callable[[SwarmPeer], None],
        events: deque[SwarmEvent],
        *,
        introducers: Callable[[Address], Iterable[int]],
        config: PunchingConfig,
    ) -> None:
        self.is_offered = False
        self.ignored = 0
        self.relay = PunchRelay(peers, touch, config=config)
        self._peers = peers
        self._touch = touch
        self._events = events
        self._introducers = introducers
        self._config = config
        self._asked: dict[Address, _Asked] = {}
        self._relays: OrderedDict[Address, tuple[Address, float]] = OrderedDict()  # who, and until when that is news
        self._calls: dict[int, TokenBucket] = {}
        self._all_calls: TokenBucket | None = None

    # Inputs

    def receive(self, peer: SwarmPeer, message: PunchMessage, *, now: float) -> None:
        """A peer that does not know hole punching itself, or introduces nobody honest, is a nuisance."""
        if not peer.core.extended.takes_holepunch or not isinstance(peer.address, Address):
            peer.core.count_nuisance(NUISANCE)
            return
        match message:
            case Rendezvous(address):
                self.relay.receive(peer, address, now=now)
            case PunchConnect(address):
                self._receive_connect(peer, peer.address, address, now=now)
            case PunchRefused(address, reason):
                asked = self._asked.get(address)
                if asked is None or asked.relay != peer.number:
                    peer.core.count_nuisance()
                else:
                    del self._asked[address]
                    self._events.append(PunchFailed(address, reason))

    def remove_peer(self, number: int) -> None:
        """A peer is gone, and with it what it was asked for."""
        self.relay.remove_peer(number)
        self._calls.pop(number, None)
        for address in [address for address, asked in self._asked.items() if asked.relay == number]:
            del self._asked[address]
            self._events.append(PunchFailed(address, 0))

    # Commands

    def ask(self, address: Address, *, besides: Collection[int] = (), now: float) -> int | None:
        """Asks a peer that has named an endpoint for an introduction; its number, or None if there is nobody to ask.

        `PunchWanted` or `PunchFailed` follows, or nothing for `answer_s`.

        Args:
            besides: peers that were asked before.
        """
        self._forget_old(now=now)
        if address in self._asked or len(self._asked) >= self._config.max_asked:
            return None
        number = next(iter(self._able(address, besides)), None)
        if number is not None:
            relay = self._peers[number]
            self._asked[address] = _Asked(number, now + self._config.answer_s)
            relay.core.send_extended(relay.core.extended.holepunch(Rendezvous(address)))
            self._touch(relay)
        return number

    def give_up(self, address: Address) -> None:
        """Nobody waits for this introduction any more."""
        self._asked.pop(address, None)

    # Views

    def has_introducer(self, address: Address) -> bool:
        """Whether a connected peer can be asked to introduce us to an endpoint."""
        return next(iter(self._able(address, ())), None) is not None

    def relay_of(self, address: Address, *, now: float) -> Address | None:
        """Who brought us together with an endpoint lately.

        A peer behind a box that gives each target a port of its own comes from another port than its relay knows. And
        one that was told first may be here before we were told.
        """
        asked = self._asked.get(address)
        if asked is not None and now < asked.until:
            relay = self._peers[asked.relay].address
            return relay if isinstance(relay, Address) else None
        found = self._relays.get(address)
        if found is None and reach_of(address.host) is not Reach.MACHINE:  # there one host is a whole swarm
            found = next((each for other, each in self._relays.items() if other.host == address.host), None)
        return found[0] if found is not None and now < found[1] else None

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        self.relay.check_invariants()
        assert len(self._asked) <= self._config.max_asked
        assert len(self._relays) <= self._config.max_remembered
        assert {asked.relay for asked in self._asked.values()} | self._calls.keys() <= self._peers.keys()

    def _able(self, address: Address, besides: Collection[int]) -> Iterable[int]:
        if self.is_offered:
            for number in self._introducers(address):
                peer = self._peers.get(number)
                if peer is None or peer.is_closed or number in besides:
                    continue
                if peer.core.extended.takes_holepunch:
                    yield number

    def _receive_connect(self, peer: SwarmPeer, relay: Address, address: Address, *, now: float) -> None:
        asked_for = self._answered(peer, address)
        if asked_for is not None:
            del self._asked[asked_for]
        elif not self._is_credible(relay, address):
            self.ignored += 1
            peer.core.count_nuisance(NUISANCE)
            return
        elif not self._may_call(peer, now=now):
            self.ignored += 1
            peer.core.count_nuisance()
            return
        self._relays[address] = (relay, now + self._config.remembered_s)
        self._relays.move_to_end(address)
        if len(self._relays) > self._config.max_remembered:
            self._relays.popitem(last=False)
        self._events.append(PunchWanted(address, relay, asked_for))

    def _answered(self, peer: SwarmPeer, address: Address) -> Address | None:
        """What we asked this peer for, if that is its answer. It may know the other's port better than who named it."""
        asked = [other for other, one in self._asked.items() if one.relay == peer.number and other.host == address.host]
        if address in asked or not asked:
            return address if asked else None
        return asked[0] if is_usable_peer(address) else None

    def _is_credible(self, relay: Address, address: Address) -> bool:
        """Whether a peer may make us call an endpoint: not where it cannot see, nor services of other kinds."""
        can_see = self._config.allow_private or is_plausible_from(address, relay)
        return can_see and is_usable_peer(address) and address.port >= FIRST_UNPRIVILEGED_PORT

    def _may_call(self, peer: SwarmPeer, *, now: float) -> bool:
        config = self._config
        if self._all_calls is None:
            self._all_calls = TokenBucket(rate_per_s=config.calls_per_s, burst=config.calls_burst, now=now)
        account = self._calls.get(peer.number)
        if account is None:
            account = self._calls[peer.number] = TokenBucket(
                rate_per_s=config.calls_per_relay_per_s, burst=config.calls_per_relay_burst, now=now
            )
        return account.spend(now=now) and self._all_calls.spend(now=now)

    def _forget_old(self, *, now: float) -> None:
        for address in [address for address, asked in self._asked.items() if now >= asked.until]:
            del self._asked[address]
