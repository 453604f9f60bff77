"""What a mainline node asks to survey the network (BEP 51)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.aio.node import Node
from kademlia_core.aio.walking import InfoHashWalk, NetworkWalk
from kademlia_core.key import Key
from kademlia_core.mainline.config import KEY_BITS
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import Response, SampleInfoHashes
from kademlia_core.mainline.sample_walk import SampleWalk
from kademlia_core.node.joining import JoinState
from transfer.address import Address

if TYPE_CHECKING:
    from kademlia_core.aio.driver import CoreDriver
    from kademlia_core.mainline.config import MainlineConfig
    from kademlia_core.mainline.sampling import InfoHashSample


class SampleCommands(Node[MainlineCore]):
    """The part of `MainlineNode` that is about samples."""

    _config: MainlineConfig

    async def sample(self, address: tuple[str, int]) -> InfoHashSample | None:
        """Some of the info-hashes that the node at `address` keeps peers of; None from a node that does not tell.

        Asking it again within `interval_s` of the answer would bring nothing new. Joining is not waited for.

        Raises:
            QueryRefusedError: the node answered with an error.
            NoAnswerError: nobody answered, or the name has no address.
            NodeClosedError: the node is not open.
        """
        query = await self._ask(Address(*address), SampleInfoHashes(Key.random(KEY_BITS, self._rng)))
        return query.response.sample if isinstance(query.response, Response) else None

    def walk_samples(self) -> InfoHashWalk:
        """A walk through the whole network that asks each node for its info-hashes: `async with`, then `async for`.

        It asks at the pace of `config.sampling`, each node no more often than that node wants, and does not end.
        """

        async def start() -> list[NetworkWalk]:
            await self.wait_joined()
            return [self._walk(driver) for driver in self._open_drivers if driver.core.join_state is JoinState.JOINED]

        return InfoHashWalk(start)

    def _walk(self, driver: CoreDriver[MainlineCore]) -> NetworkWalk:
        depth_bits = driver.core.table.bucket_count
        walk = SampleWalk(config=self._config.sampling, depth_bits=depth_bits, rng=self._rng)
        return NetworkWalk(walk, driver, lambda address, request: self._send(driver, address, request))
