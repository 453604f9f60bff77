"""A node on asyncio UDP sockets, whatever its dialect: the shell around one `NodeCore` for each address family."""

from __future__ import annotations

import asyncio
import errno
import random
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self

from kademlia_core.aio.bootstrap import Bootstrap
from kademlia_core.aio.driver import CoreDriver, CoreT, places_of
from kademlia_core.aio.names import NameQuestion
from kademlia_core.aio.networks import Networks
from kademlia_core.aio.state_file import NodeMemory, StateFile
from kademlia_core.engine.events import Event, JoinWanted
from kademlia_core.engine.requests import Ping
from kademlia_core.errors import NodeClosedError
from kademlia_core.key import Key
from transfer.address import Address
from transfer.limits.journal import LimitsReport

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from types import TracebackType

    from kademlia_core.contact import Contact
    from kademlia_core.datagram.config import NodeConfig
    from transfer.aio.datagram_port import DatagramPort


class Node(Generic[CoreT]):
    """A node of a Kademlia network. Derived classes bring the dialect and its commands.

    Enter it with `async with`: that binds the sockets and begins to join the network in the background. Every lookup
    waits for that by itself. An empty `bootstrap` starts a network of one's own.

    With hosts of both address families it is a node of two networks, one for each (BEP 32): commands go to both, and
    what they find is merged.
    """

    def __init__(
        self,
        *,
        host: str | tuple[str, ...],
        port: int,
        datagrams: DatagramPort | tuple[DatagramPort, ...] = (),
        bootstrap: Iterable[tuple[str, int]],
        config: NodeConfig,
        rng: random.Random | None,
        node_id: Key | None,
        state_file: Path | str | None,
    ) -> None:
        self._places = places_of(host, port, datagrams)
        entries = tuple(map(_entry, bootstrap))
        self._rng = rng or random.SystemRandom()
        self._node_id = node_id
        self._snapshot_interval_s = config.snapshot_interval_s
        self._memory = NodeMemory(StateFile(Path(state_file)) if state_file is not None else None)
        self._networks: Networks[CoreT] = Networks(
            bootstrap=entries, resolve_timeout_s=config.resolve_timeout_s, ask_name=self._ask_name
        )
        self._bootstrap = Bootstrap(entries, self._networks, spawn=self._spawn)
        self._is_entered = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Binds the sockets and begins to join. Of several hosts, those that the machine does not have are left out.

        Raises:
            OSError: the address cannot be bound.
            ValueError: the node id has the wrong width.
            NodeClosedError: this node has been entered before.
        """
        if self._is_entered:
            raise NodeClosedError("a node can be entered only once; make a new one")
        self._is_entered = True
        self._loop = asyncio.get_running_loop()
        try:
            await self._memory.load(key_bits=self._key_bits)
            self._begin_to_join(await self._open_sockets())
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the sockets and ends everything in flight with `NodeClosedError`. Repeating it does no harm."""
        drivers = self._networks.close()
        if drivers:
            self._memory.save(driver.core for driver in drivers)  # at once: a caller in a hurry may not wait
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for driver in drivers:
            await driver.wait_closed()

    async def wait_joined(self) -> None:
        """Waits until this node is part of a network; at once when it started its own.

        Raises:
            BootstrapError: no bootstrap address answered. It is tried again in the background; so may you.
            NodeClosedError: the node is not open.
        """
        await self._networks.wait_joined()

    async def find_node(self, target: bytes | Key) -> list[Contact]:
        """The nodes closest to `target` that answer, closest first; of each address family as many.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup.
        """
        key = self._key(target)
        running = await self._networks.run(lambda core, now: core.engine.find_node(key, now=now))
        found = [contact for lookup in running.lookups for contact in lookup.result()]
        return sorted(found, key=lambda contact: contact.key ^ key)

    async def ping(self, address: tuple[str, int]) -> Contact:
        """Which node is at `address`? Joining is not waited for.

        Raises:
            NoAnswerError: no node answered, or the name has no address.
            QueryRefusedError: the node answered with an error.
            NodeClosedError: the node is not open.
        """
        query = await self._networks.ask(Address(*address), Ping())
        assert query.contact is not None
        return query.contact

    def add_node(self, address: tuple[str, int]) -> None:
        """A hint from elsewhere that a node is at `address`: it is pinged, and kept if it answers.

        Raises:
            NodeClosedError: the node is not open.
        """
        for driver in self._networks.open_drivers:
            self._bootstrap.add_node(driver, Address(*address))

    def explain_limits(self) -> LimitsReport:
        """Which limit of this node refused whom in the last minutes, how much is in use, and how to change it.

        Raises:
            NodeClosedError: the node is not open.
        """
        return LimitsReport.merged(driver.core.explain_limits(now=driver.now) for driver in self._networks.open_drivers)

    @property
    def address(self) -> Address:
        """Where this node is bound, the IPv4 address if there are two.

        Raises:
            NodeClosedError: the node is not open.
        """
        return self.addresses[0]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where this node is bound, IPv4 first.

        Raises:
            NodeClosedError: the node is not open.
        """
        return tuple(
            sorted((driver.address for driver in self._networks.open_drivers), key=lambda address: address.is_ipv6)
        )

    @property
    def datagrams(self) -> tuple[DatagramPort, ...]:
        """The UDP sockets of this node, IPv4 first. Others may join them for as long as the node is open.

        Raises:
            NodeClosedError: the node is not open.
        """
        ports = (driver.port for driver in self._networks.open_drivers)
        return tuple(sorted(ports, key=lambda port: port.address.is_ipv6))

    @property
    def node_id(self) -> Key:
        """The key of this node, in the IPv4 network if there are two.

        Raises:
            NodeClosedError: the node is not open.
        """
        return min(self._networks.open_drivers, key=lambda driver: driver.core.is_ipv6).core.node_id

    # For derived classes.

    _first_bytes: bytes  # what the datagrams of the dialect begin with, so that others may share the socket

    def _make_core(self, local: Address, node_id: Key | None) -> CoreT:
        raise NotImplementedError

    def _ask_name(self) -> NameQuestion | None:
        """What a name is asked with behind a proxy; None: names are of no use there."""
        return None

    def _key(self, value: bytes | Key) -> Key:
        try:
            key = value if isinstance(value, Key) else Key.from_bytes(value)
        except TypeError:
            kind = type(value).__name__
            raise TypeError(f"a key is bytes or a Key, not {kind}; for hexadecimal text use bytes.fromhex") from None
        if key.bits != self._key_bits:
            raise ValueError(f"this network has keys of {self._key_bits} bits, not {key.bits}")
        return key

    @property
    def _key_bits(self) -> int:
        raise NotImplementedError

    # Sockets and what the drivers report.

    async def _open_sockets(self) -> list[CoreDriver[CoreT]]:
        missing: OSError | None = None
        opened: list[CoreDriver[CoreT]] = []
        for place in self._places:
            local = place if isinstance(place, Address) else place.address
            saved = self._memory.network(is_ipv6=local.is_ipv6)
            node_id = self._node_id or (saved.node_id if saved is not None else None)
            driver = CoreDriver(self._make_core(local, node_id), on_event=self._report, on_lost=self._lose)
            try:
                await driver.open(place, self._first_bytes)
            except OSError as error:
                if error.errno not in NO_SUCH_FAMILY:
                    raise
                missing = error
            else:
                self._networks.add(driver)
                opened.append(driver)
        if missing is not None and not opened:
            raise missing
        return opened

    def _begin_to_join(self, drivers: list[CoreDriver[CoreT]]) -> None:
        if len(drivers) == 2:
            first, second = (driver.core for driver in drivers)
            first.pair(second)
            second.pair(first)
        for driver in drivers:
            saved = self._memory.network(is_ipv6=driver.core.is_ipv6)
            if saved is not None and saved.contacts:
                driver.core.engine.restore(saved.contacts, now=driver.now)
                self._loop.call_soon(driver.drive)
            else:
                self._bootstrap.join(driver)
        if self._memory.is_kept:
            self._spawn(self._save_regularly())

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._snapshot_interval_s)
            await self._memory.save_in_thread(driver.core for driver in self._networks.drivers)

    def _report(self, driver: CoreDriver[CoreT], event: Event) -> None:
        if isinstance(event, JoinWanted):
            self._bootstrap.join(driver)
        else:
            self._networks.receive_event(event)

    def _lose(self, driver: CoreDriver[CoreT]) -> None:
        if self._networks.remove(driver):
            self._memory.note((driver.core,))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _entry(entry: tuple[str, int]) -> Address:
    match entry:
        case (str(host), int(port)) if host and 0 < port <= 65535:
            return Address(host, port)
    raise ValueError(f"a bootstrap entry is a tuple (host, port) with a port from 1 to 65535, not {entry!r}")


NO_SUCH_FAMILY = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT))
