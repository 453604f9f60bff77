"""A node of the BitTorrent DHT on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.aio.item_commands import ItemCommands
from kademlia_core.aio.peer_commands import PeerCommands
from kademlia_core.aio.sample_commands import SampleCommands
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import KEY_BITS, PUBLIC_ROUTERS, MainlineConfig
from kademlia_core.mainline.core import MainlineCore, MainlineStats

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from pathlib import Path

    from kademlia_core.key import Key
    from transfer.address import Address
    from transfer.aio.datagram_port import DatagramPort


class MainlineNode(PeerCommands, ItemCommands, SampleCommands):
    """A node of the BitTorrent DHT: finds peers, announces, keeps items, and answers everybody else.

    Enter it with `async with`: that binds the socket and begins to join the network in the background. Every lookup
    waits for that by itself. An empty `bootstrap` starts a network of one's own.

    Args:
        host: IP address to bind: "0.0.0.0" or an address of this machine; an IPv6 one makes it a node of the IPv6 DHT.
            A tuple of one of each makes it a node of both.
        port: UDP port, 0 for any free one.
        datagrams: a bound port to share instead of binding one, or a tuple of one of each address family. They stay
            the caller's to close, after the node; `host` and `port` are without meaning then.
        bootstrap: where to enter the network; names are resolved. Default: the well-known public routers.
        node_id: a key of 160 bits; random when not given.
        rng: source of all randomness; the operating system's when not given.
        state_file: where to keep the key and the contacts from one run to the next, so that the next one needs no
            bootstrap address. A damaged file is replaced, with a warning in the log.
    """

    _first_bytes = krpc.FIRST_BYTES

    def __init__(
        self,
        *,
        host: str | tuple[str, ...] = "0.0.0.0",
        port: int = 0,
        datagrams: DatagramPort | tuple[DatagramPort, ...] = (),
        bootstrap: Iterable[tuple[str, int]] = PUBLIC_ROUTERS,
        node_id: Key | None = None,
        config: MainlineConfig | None = None,
        rng: random.Random | None = None,
        state_file: Path | str | None = None,
    ) -> None:
        config = config or MainlineConfig()
        super().__init__(
            host=host,
            port=port,
            datagrams=datagrams,
            bootstrap=bootstrap,
            config=config,
            rng=rng,
            node_id=node_id,
            state_file=state_file,
        )

    def statistics(self) -> MainlineStats:
        """Of both networks together, if the node is part of two.

        Raises:
            NodeClosedError: the node is not open.
        """
        return MainlineStats.summed(driver.core.stats(now=driver.now) for driver in self._open_drivers)

    def _make_core(self, local: Address, node_id: Key | None) -> MainlineCore:
        return MainlineCore(
            rng=self._rng,
            now=self._loop.time(),
            node_id=node_id,
            config=self._config,
            is_ipv6=local.is_ipv6,
            keeps_id=self._node_id is not None,
        )

    @property
    def _key_bits(self) -> int:
        return KEY_BITS
