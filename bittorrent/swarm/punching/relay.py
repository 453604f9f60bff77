"""Brings two peers together that both are connected with us (BEP 55, the relay). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bittorrent.swarm.peer import SwarmPeer
from bittorrent.swarm.punching.config import PunchingConfig
from bittorrent.wire.holepunch import PunchConnect, PunchError, PunchRefused
from transfer.address import Address, is_plausible_from, is_usable_peer
from transfer.limits.token_bucket import TokenBucket


class PunchRelay:
    """Answers who asks for an introduction.

    Nobody is told to call an endpoint but the one of a connected peer, and only connected peers that know hole punching
    are told: so nothing leaves for a third party.

    A peer is known by the source endpoint of its connection, as with libtorrent, or else by where it says that it
    listens: peers that came over TCP are named to others by that, and their UDP port most often has the same number.

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.

    Attributes:
        introduced: how many times two peers were told to call each other.

    Invariants:
        accounts are kept of connected peers only
    """

    def __init__(
        self, peers: Mapping[int, SwarmPeer], touch: Callable[[SwarmPeer], None], *, config: PunchingConfig
    ) -> None:
        self.introduced = 0
        self._peers = peers
        self._touch = touch
        self._config = config
        self._asked: dict[int, TokenBucket] = {}  # by each
        self._told: dict[int, TokenBucket] = {}  # of others

    def receive(self, asker: SwarmPeer, address: Address, *, now: float) -> None:
        """A peer wants to be introduced to the one at an endpoint. Too many wishes are ignored, and a nuisance."""
        config = self._config
        account = self._asked.get(asker.number)
        if account is None:
            account = self._asked[asker.number] = TokenBucket(
                rate_per_s=config.rendezvous_per_s, burst=config.rendezvous_burst, now=now
            )
        if not account.spend(now=now):
            asker.core.count_nuisance(NUISANCE)
            return
        target = self._find(address, asker)
        reason = self._objection(asker, address, target, now=now)
        if reason is not None or target is None:
            reason = reason or PunchError.NOT_CONNECTED
            asker.core.send_extended(asker.core.extended.holepunch(PunchRefused(address, reason)))
        else:
            self.introduced += 1
            for one, other in ((target, asker), (asker, target)):
                endpoint = endpoint_of(other)
                assert endpoint is not None
                one.core.send_extended(one.core.extended.holepunch(PunchConnect(endpoint)))
            self._touch(target)
        self._touch(asker)

    def remove_peer(self, number: int) -> None:
        """A peer is gone."""
        self._asked.pop(number, None)
        self._told.pop(number, None)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert {*self._asked, *self._told} <= self._peers.keys()

    def _find(self, address: Address, asker: SwarmPeer) -> SwarmPeer | None:
        """The peer at an endpoint. Cost: O(peers)."""
        listening = None
        for peer in self._peers.values():
            if peer.is_closed:
                continue
            if peer.address == address:
                return peer
            if peer.listen_address == address and (listening is None or listening is asker):
                listening = peer
        return listening

    def _objection(
        self, asker: SwarmPeer, address: Address, target: SwarmPeer | None, *, now: float
    ) -> PunchError | None:
        if not is_usable_peer(address):
            return PunchError.NO_SUCH_PEER
        if target is None:
            return PunchError.NOT_CONNECTED
        if target is asker:
            return PunchError.NO_SELF
        if not target.core.extended.takes_holepunch:
            return PunchError.NO_SUPPORT
        one, other = endpoint_of(asker), endpoint_of(target)
        if one is None or other is None:
            return PunchError.NOT_CONNECTED
        if not (self._config.allow_private or (is_plausible_from(one, other) and is_plausible_from(other, one))):
            return PunchError.NOT_CONNECTED  # one of the two is in a network that the other one does not see
        account = self._told.get(target.number)
        if account is None:
            config = self._config
            account = self._told[target.number] = TokenBucket(
                rate_per_s=config.introductions_per_s, burst=config.introductions_burst, now=now
            )
        return None if account.spend(now=now) else PunchError.NOT_CONNECTED


def endpoint_of(peer: SwarmPeer) -> Address | None:
    """Where datagrams reach a peer, as well as we can know it; None for what is no peer."""
    address = peer.address
    if not isinstance(address, Address) or peer.transport == "utp" or peer.is_dialled:
        return address if isinstance(address, Address) else None
    return peer.reachable_at or address


NUISANCE = 20.0  # of the messages that a peer may send in a burst: there is no honest reason for it
