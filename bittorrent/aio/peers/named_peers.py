"""Peers that a user names, or a magnet link: their hosts may be names that have to be looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bittorrent.aio.peers.private_calls import PrivateCalls
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.dialling.targets import NamedBy
from transfer.address import Address, is_ip_address
from transfer.aio.resolver import resolve
from transfer.aio.tasks import TaskSet
from transfer.reach import Reach


class NamedPeers:
    """Finds the addresses of named peers.

    Args:
        on_addresses: takes endpoints and where they are from.
        calls: says which of those that others name may be called.
        tasks: where names are looked up.
    """

    def __init__(
        self,
        *,
        on_addresses: Callable[[Iterable[Address], PeerSource], None],
        calls: PrivateCalls,
        tasks: TaskSet,
    ) -> None:
        self.private: list[Address] = []  # endpoints that may not be called
        self.unresolved: list[str] = []  # names that have no address
        self._on_addresses = on_addresses
        self._calls = calls
        self._tasks = tasks
        self._resolving = 0

    @property
    def is_resolving(self) -> bool:
        return self._resolving > 0

    def add(
        self,
        addresses: Iterable[tuple[str, int]],
        *,
        named_by: NamedBy = NamedBy.USER,
        source: PeerSource = PeerSource.MANUAL,
    ) -> None:
        """Endpoints, each an IP address or a name. Names that strangers give are looked up only a few at a time."""
        for host, port in addresses:
            if not is_ip_address(host) and not self._calls.asks_system:
                self._note_unresolved(f"{host}, which is not looked up beside the proxy,")
            elif is_ip_address(host) and named_by is NamedBy.USER:
                self._on_addresses([Address(host, port)], source)
            elif named_by is NamedBy.USER or self._resolving < MAX_RESOLVING:
                self._resolving += 1
                self._tasks.start(self._resolve(host, port, named_by, source), name=f"resolve {host}")

    async def _resolve(self, host: str, port: int, named_by: NamedBy, source: PeerSource) -> None:
        try:
            addresses = [Address(host, port)] if is_ip_address(host) else await _look_up(host, port)
            if named_by is not NamedBy.USER:
                addresses = [address for address in addresses if await self._is_allowed(address)]
        except OSError:
            self._note_unresolved(host)
        else:
            self._on_addresses(addresses, source)
        finally:
            self._resolving -= 1

    def _note_unresolved(self, host: str) -> None:
        if host not in self.unresolved and len(self.unresolved) < MAX_TOLD:
            self.unresolved.append(host)

    async def _is_allowed(self, address: Address) -> bool:
        if self._calls.believes(address, teller=Reach.INTERNET) and await self._calls.allows(address):
            return True
        if address not in self.private and len(self.private) < MAX_TOLD:
            self.private.append(address)
        return False


async def _look_up(host: str, port: int) -> list[Address]:
    found = await resolve(host, port, purpose="peers")
    return [Address.from_socket((str(name[0]), port)) for *_, name in found[:MAX_ADDRESSES_PER_NAME]]


MAX_ADDRESSES_PER_NAME = 4
MAX_RESOLVING = 100
MAX_TOLD = 100  # of what went wrong
