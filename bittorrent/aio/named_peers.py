"""Peers that a user names, or a magnet link: their hosts may be names that have to be looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bittorrent.peer_list import PeerSource
from transfer.address import Address, is_ip_address
from transfer.aio.resolver import resolve
from transfer.aio.tasks import TaskSet


class NamedPeers:
    """Finds the addresses of named peers.

    Args:
        on_addresses: takes endpoints and where they are from.
        tasks: where names are looked up.
    """

    def __init__(self, *, on_addresses: Callable[[Iterable[Address], PeerSource], None], tasks: TaskSet) -> None:
        self.unresolved: list[str] = []  # names that have no address
        self._on_addresses = on_addresses
        self._tasks = tasks
        self._resolving = 0

    @property
    def is_resolving(self) -> bool:
        return self._resolving > 0

    def add(self, addresses: Iterable[tuple[str, int]]) -> None:
        """Endpoints, each an IP address or a name."""
        for host, port in addresses:
            if is_ip_address(host):
                self._on_addresses([Address(host, port)], PeerSource.MANUAL)
            else:
                self._resolving += 1
                self._tasks.start(self._resolve(host, port), name=f"resolve {host}")

    async def _resolve(self, host: str, port: int) -> None:
        try:
            found = await resolve(host, port, purpose="peers")
        except OSError:
            self.unresolved.append(host)
        else:
            addresses = [Address.from_socket((str(name[0]), port)) for *_, name in found[:MAX_ADDRESSES_PER_NAME]]
            self._on_addresses(addresses, PeerSource.MANUAL)
        finally:
            self._resolving -= 1


MAX_ADDRESSES_PER_NAME = 4
