"""Which peer gives way to which in a torrent that has no connection left. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from bittorrent.dialling.connected_peer import ConnectedPeer
from bittorrent.origin import Origin
from transfer.address import Address
from transfer.limits.shares import share_of

P = TypeVar("P", bound=ConnectedPeer)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnoverConfig:
    """Patience with connections that are of no use.

    Attributes:
        useless_after_s: a peer gives way at once when it makes nothing of an upload slot, or has been connected for so
            long and neither side wants anything.
        stalled_after_s: or when it has read nothing of what was sent to it for so long.
        min_age_s: after so long any other that has moved nothing gives way to a newcomer of higher priority (BEP 40).
        interval_s: one such peer makes room so often, whatever its priority.
        max_remembered: hosts whose peers gave way.
    """

    useless_after_s: float = 5.0
    stalled_after_s: float = 10.0
    min_age_s: float = 60.0
    interval_s: float = 60.0
    max_remembered: int = 1024


class Turnover(Generic[P]):
    """Finds the connection that is worth least.

    A host that had to give way, or is here already, comes in again only at the cost of its own connections: it must not
    have every turn.

    Args:
        peers: that are connected, by any number: live.
        rank: the priority of an endpoint (BEP 40).

    Invariants:
        at most max_remembered hosts are remembered
    """

    def __init__(self, peers: Mapping[int, P], *, rank: Callable[[Origin], int], config: TurnoverConfig) -> None:
        self._peers = peers
        self._rank = rank
        self._config = config
        self._turned_over_at = float("-inf")
        self._turned_out: OrderedDict[bytes, None] = OrderedDict()

    def for_newcomer(
        self, newcomer: Address, *, is_host_full: bool, among: Mapping[int, P] | None = None, now: float
    ) -> P | None:
        """The peer that gives way to an incoming connection; None: that connection has to go.

        Args:
            is_host_full: the newcomer's host has all connections that one host may have.
            among: only these come into question; None: all.
        """
        peers = self._peers if among is None else among
        share = share_of(newcomer.host)
        had_its_turn = share in self._turned_out or any(
            share_of(peer.address.host) == share for peer in self._peers.values()
        )
        useless = [peer for peer in peers.values() if self._is_useless(peer, now=now)]
        if is_host_full or had_its_turn:  # and it must not make its own connections younger by replacing them
            useless = [
                peer
                for peer in useless
                if share_of(peer.address.host) == share and (is_host_full or peer.is_interested)
            ]
        victim = self._least(useless)
        if victim is None and not is_host_full:
            victim = self._least(
                [
                    peer
                    for peer in peers.values()
                    if peer.connected_at <= now - self._config.min_age_s and not peer.was_useful and not peer.is_closed
                ]
            )
            if victim is not None and self._rank(victim.address) >= self._rank(newcomer):
                if had_its_turn or not self._is_due(now=now):
                    return None
                self._turned_over_at = now
        return self._remember(victim)

    def for_call(self, *, among: Mapping[int, P] | None = None, now: float) -> P | None:
        """The peer that gives way to one that we want to call, because it may give us what these do not."""
        peers = self._peers if among is None else among
        victim = self._least([peer for peer in peers.values() if self._is_useless(peer, now=now)])
        if victim is None and self._is_due(now=now):
            idle = [
                peer
                for peer in peers.values()
                if peer.connected_at <= now - self._config.min_age_s
                and not peer.is_closed
                and not peer.received_bytes_per_s(now=now)
            ]
            victim = min(idle, key=lambda peer: (peer.downloaded_bytes, peer.uploaded_bytes), default=None)
            if victim is not None:
                self._turned_over_at = now
        return self._remember(victim)

    def for_others(self, *, among: Mapping[int, P], now: float) -> P | None:
        """The peer that gives way to one of a torrent that has next to none: who is of no use, or gives least."""
        victim = self._least([peer for peer in among.values() if self._is_useless(peer, now=now)])
        if victim is None:
            victim = min(
                (peer for peer in among.values() if not peer.is_closed),
                key=lambda peer: (peer.was_useful, peer.received_bytes_per_s(now=now), peer.uploaded_bytes),
                default=None,
            )
        return self._remember(victim)

    def _is_due(self, *, now: float) -> bool:
        """Whether a peer may be turned out again that is not plainly useless."""
        return now - self._turned_over_at >= self._config.interval_s

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert len(self._turned_out) <= self._config.max_remembered

    def _is_useless(self, peer: P, *, now: float) -> bool:
        """It has had its chance, and nothing is lost with it."""
        if not peer.is_torrent_known or peer.is_closed or peer.am_interested:
            return False
        if peer.stalled_s(now=now) >= self._config.stalled_after_s:
            return True
        if peer.is_interested:
            return peer.is_idler(now=now)
        return not peer.was_useful and now - peer.connected_at >= self._config.useless_after_s

    def _least(self, peers: list[P]) -> P | None:
        return min(peers, key=lambda peer: self._rank(peer.address), default=None)

    def _remember(self, victim: P | None) -> P | None:
        if victim is not None:
            victim.excuse()
            share = share_of(victim.address.host)
            self._turned_out[share] = None
            self._turned_out.move_to_end(share)
            if len(self._turned_out) > self._config.max_remembered:
                self._turned_out.popitem(last=False)
        return victim
