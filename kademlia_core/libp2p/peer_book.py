"""Where peers are that this node has met, be they servers or not: what identify has said, and its own addresses."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer.identity.peer_id import PeerId
    from transfer.multiaddr.multiaddr import Multiaddr


class PeerBook:
    """The addresses of up to `most` peers, the one that was met longest ago forgotten first; oneself never.

    Also, whether a peer has said that it serves this protocol.
    """

    def __init__(self, own_id: PeerId, *, most: int) -> None:
        self._own_id = own_id
        self._most = most
        self._peers: OrderedDict[PeerId, tuple[tuple[Multiaddr, ...], bool]] = OrderedDict()
        self.own_addresses: tuple[Multiaddr, ...] = ()

    def learn(self, peer_id: PeerId, addresses: tuple[Multiaddr, ...], *, is_server: bool) -> None:
        """A peer has said where it is, and what it serves; it replaces what it said before."""
        if peer_id == self._own_id:
            return
        self._peers[peer_id] = addresses, is_server
        self._peers.move_to_end(peer_id)
        if len(self._peers) > self._most:
            self._peers.popitem(last=False)

    def addresses_of(self, peer_id: PeerId) -> tuple[Multiaddr, ...]:
        """None known is an empty answer."""
        return self.own_addresses if peer_id == self._own_id else self._peers.get(peer_id, _UNKNOWN)[0]

    def is_server(self, peer_id: PeerId) -> bool:
        """False also when the peer has said nothing yet."""
        return self._peers.get(peer_id, _UNKNOWN)[1]

    def __len__(self) -> int:
        return len(self._peers)


_UNKNOWN: tuple[tuple[Multiaddr, ...], bool] = ((), False)
