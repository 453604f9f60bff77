"""The way into a network: bootstrap addresses and hints, whose names are resolved in the background."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic

from kademlia_core.aio.driver import CoreT
from transfer.address import Address, is_ip_address

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kademlia_core.aio.driver import CoreDriver
    from kademlia_core.aio.networks import Networks


class Bootstrap(Generic[CoreT]):
    """Leads each network's core to the bootstrap addresses. Without any, each starts a network of its own.

    Every name is asked as soon as it is resolved, and resolved again each time. `spawn` runs what that takes.
    """

    def __init__(
        self,
        addresses: tuple[Address, ...],
        networks: Networks[CoreT],
        *,
        spawn: Callable[[Coroutine[None, None, None]], None],
    ) -> None:
        self._known = tuple(each for each in addresses if is_ip_address(each.host))
        self._names = [each for each in addresses if each not in self._known]
        self._networks = networks
        self._spawn = spawn
        self._hints = 0

    def join(self, driver: CoreDriver[CoreT]) -> None:
        """Asks the bootstrap addresses; a name as soon as it is resolved, so that none waits for another."""
        mine = tuple(address for address in self._known if address.is_ipv6 == driver.core.is_ipv6)
        alone = not self._known and not self._names
        driver.core.engine.join(mine, alone=alone, awaits_more=bool(self._names), now=driver.now)
        asyncio.get_running_loop().call_soon(driver.drive)
        if self._names:
            self._spawn(self._resolve_and_meet(driver))

    def add_node(self, driver: CoreDriver[CoreT], hint: Address) -> None:
        """A node may be at `hint`. Beyond `MAX_RESOLVING` names at once, hints are dropped."""
        if is_ip_address(hint.host):
            driver.core.engine.add_node(hint, now=driver.now)
            driver.drive()
        elif self._hints < MAX_RESOLVING:
            self._hints += 1
            self._spawn(self._resolve_hint(driver, hint))

    async def _resolve_and_meet(self, driver: CoreDriver[CoreT]) -> None:
        waiting = len(self._names)

        async def meet(name: Address) -> None:
            nonlocal waiting
            addresses = await self._networks.resolve(driver, name)
            waiting -= 1
            if driver.is_open:
                driver.core.engine.meet(tuple(dict.fromkeys(addresses)), awaits_more=waiting > 0, now=driver.now)
                driver.drive()

        async with asyncio.TaskGroup() as group:
            for name in self._names:
                group.create_task(meet(name))

    async def _resolve_hint(self, driver: CoreDriver[CoreT], hint: Address) -> None:
        try:
            addresses = await self._networks.resolve(driver, hint)
        finally:
            self._hints -= 1
        for address in addresses:
            if driver.is_open:
                driver.core.engine.add_node(address, now=driver.now)
                driver.drive()


MAX_RESOLVING = 32
