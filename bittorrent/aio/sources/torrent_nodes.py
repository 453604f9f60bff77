"""The DHT nodes that a torrent names (BEP 5): a way into the DHT for a node that may know no other."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bittorrent.aio.peers.private_calls import PrivateCalls
from kademlia_core.errors import NodeClosedError
from transfer.address import Address, is_ip_address, is_usable_peer
from transfer.aio.resolver import resolve
from transfer.aio.tasks import TaskSet
from transfer.reach import Reach, reach_of

if TYPE_CHECKING:
    from kademlia_core import MainlineNode


class TorrentNodes:
    """Hands the nodes of a torrent to our DHT node, which asks them and keeps those that answer.

    The rule of `bittorrent.dialling.targets` for peers that others name holds for them as well; one on this machine is
    asked by a DHT node that is on this machine only.

    Args:
        nodes: as the torrent names them, IP addresses and names; what is beyond `MAX_NODES` is ignored.
        calls: says which may be asked.
        tasks: where names are looked up.
    """

    def __init__(self, nodes: Sequence[Address], *, dht: MainlineNode, calls: PrivateCalls, tasks: TaskSet) -> None:
        self._nodes = tuple(nodes[:MAX_NODES])
        self._dht = dht
        self._calls = calls
        self._tasks = tasks
        self._offers = 0
        self._resolving = 0

    @property
    def may_help(self) -> bool:
        """Whether they may still bring a DHT that could not be joined to life; not when they were asked in vain."""
        return bool(self._nodes) and (self._resolving > 0 or self._offers < MAX_OFFERS)

    def offer(self) -> None:
        """Has them asked, all at once; may be called again."""
        self._offers += 1
        if not self._resolving:
            for node in self._nodes:
                self._resolving += 1
                self._tasks.start(self._offer(node), name=f"node {node}")

    async def _offer(self, node: Address) -> None:
        try:
            if not self._calls.asks_system and not is_ip_address(node.host):
                self._dht.add_node(node)  # which looks it up through the proxy
                return
            found = await resolve(node.host, node.port, purpose="nodes of torrents", kind=socket.SOCK_DGRAM)
            for *_, name in found[:MAX_ADDRESSES_PER_NAME]:
                address = Address.from_socket((str(name[0]), node.port))
                if await self._is_allowed(address):
                    self._dht.add_node(address)
        except (OSError, NodeClosedError):
            pass  # it has no address, or there is no DHT any more: others may help
        finally:
            self._resolving -= 1

    async def _is_allowed(self, address: Address) -> bool:
        own = self._dht.address.host
        teller = reach_of(own) if own not in EVERYWHERE else Reach.INTERNET
        usable = is_usable_peer(address) and self._calls.believes(address, teller=teller)
        return usable and await self._calls.allows(address)


MAX_NODES = 32
MAX_ADDRESSES_PER_NAME = 4
MAX_OFFERS = 3  # a datagram may be lost
EVERYWHERE = ("0.0.0.0", "::")
