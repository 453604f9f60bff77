"""What a mainline node asks to learn which info-hashes the network knows (BEP 51)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.aio.mainline.walking import InfoHashWalk, NetworkWalk
from kademlia_core.key import Key
from kademlia_core.mainline.config import KEY_BITS
from kademlia_core.mainline.messages import Response, SampleInfoHashes
from kademlia_core.mainline.sample_walk import SampleWalk

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.aio.driver import CoreDriver
    from kademlia_core.aio.networks import Networks
    from kademlia_core.mainline.config import SamplingConfig
    from kademlia_core.mainline.core import MainlineCore
    from kademlia_core.mainline.sampling import InfoHashSample
    from transfer.address import Address


class SampleCommands:
    """Carries out what `MainlineNode` says of samples; see there."""

    def __init__(self, networks: Networks[MainlineCore], *, config: SamplingConfig, rng: Random) -> None:
        self._networks = networks
        self._config = config
        self._rng = rng

    async def sample(self, address: Address) -> InfoHashSample | None:
        query = await self._networks.ask(address, SampleInfoHashes(Key.random(KEY_BITS, self._rng)))
        return query.response.sample if isinstance(query.response, Response) else None

    def walk(self) -> InfoHashWalk:
        async def start() -> list[NetworkWalk]:
            await self._networks.wait_joined()
            return [self._walk_of(driver) for driver in self._networks.joined]

        return InfoHashWalk(start)

    def _walk_of(self, driver: CoreDriver[MainlineCore]) -> NetworkWalk:
        depth_bits = driver.core.table.bucket_count
        walk = SampleWalk(config=self._config, depth_bits=depth_bits, rng=self._rng)
        return NetworkWalk(walk, driver, lambda address, request: self._networks.send(driver, address, request))
