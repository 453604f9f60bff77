"""Services on simulated hosts: the application in virtual time, with nobody looking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from bittorrent import FileStorage, Metainfo, OpenStorage, Session, SessionConfig, create_metainfo
from bittorrent.aio.event_stream import EventStream
from fileshare.service import NetworkOptions, Service, ServiceConfig
from fileshare.service.events import ServiceEvent
from kademlia_core import MainlineNode
from transfer.address import Address
from transfer.simulation import Link, Report, Simulation, run

US, FRIEND = "10.0.0.1", "10.0.0.2"
PORT, DHT_PORT = 6881, 6882


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedNetwork(NetworkOptions):
    """The options of a service on one host; no socket of the machine is tried first, as `NetworkOptions` does."""

    host: str = US
    entrances: tuple[Address, ...] | None = None  # of the DHT; None: no node, empty: the first one
    open_storage: OpenStorage = FileStorage

    @asynccontextmanager
    async def open(
        self, *, download_dir: Path, config: SessionConfig, state_dir: Path | None, uses_dht: bool
    ) -> AsyncIterator[tuple[Session, MainlineNode | None]]:
        session = Session(
            download_dir,
            host=self.host,
            port=PORT,
            config=replace(config, allow_private=True),
            rng=Random(self.host),
            open_storage=self.open_storage,
            state_dir=state_dir,
        )
        async with AsyncExitStack() as stack:
            node = None
            if self.entrances is not None:
                made = MainlineNode(host=self.host, port=DHT_PORT, bootstrap=self.entrances, rng=Random(self.host))
                node = await stack.enter_async_context(made)
            await stack.enter_async_context(session)
            session.set_rate_limits(self.limits, counts_local=True)
            yield session, node


@asynccontextmanager
async def service_on(
    simulation: Simulation,
    host: str,
    directory: Path,
    *,
    peers: tuple[str, ...] = (),
    state_dir: Path | None = None,
    config: ServiceConfig | None = None,
    no_peers_timeout_s: float | None = None,
    **network: Any,
) -> AsyncIterator[Service]:
    """A service whose tasks run on a host; `network` are further options of the network."""
    options = SimulatedNetwork(host=host, peers=tuple(Address(peer, PORT) for peer in peers), **network)
    with simulation.host(host):
        service = Service(
            options,
            download_dir=directory,
            state_dir=state_dir,
            session_config=SessionConfig(no_peers_timeout_s=no_peers_timeout_s),
            config=config,
        )
        await service.open()
    try:
        yield service
    finally:
        with simulation.host(host):
            await service.aclose()


def simulate(scenario: Callable[[Simulation], Awaitable[None]], **options: Any) -> Report[None]:
    """Runs a scenario; what it leaves behind is an error."""
    return run(scenario, seed=1, link=Link(delay_s=0.01), **options)


def make(folder: Path, name: str, size: int = 200_000) -> Metainfo:
    """A file, and the torrent of it beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(Random(name).randbytes(size))
    metainfo = create_metainfo(folder / name)
    (folder / f"{name}.torrent").write_bytes(metainfo.to_bytes())
    return metainfo


class Recorder:
    """A view that remembers everything; it takes what has come when it is asked."""

    def __init__(self, service: Service, *, max_waiting: int | None = None) -> None:
        self._events: EventStream[ServiceEvent] = service.events(max_waiting=max_waiting)
        self.seen: list[ServiceEvent] = []

    async def read_to_end(self) -> list[ServiceEvent]:
        """All that is told until the service has closed."""
        async for event in self._events:
            self.seen.append(event)
        return self.seen

    async def wait(self, kind: type[ServiceEvent], condition: Callable[[Any], bool] = lambda event: True) -> Any:
        """The next event of a kind, with that condition."""
        async for event in self._events:
            self.seen.append(event)
            if isinstance(event, kind) and condition(event):
                return event
        raise AssertionError(f"no {kind} was told")

    def of(self, *kinds: type[ServiceEvent]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kinds)]
