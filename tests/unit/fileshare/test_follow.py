"""A command, its service and its view: whoever ends first, the service closes and what it told is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bittorrent import SeedGoal
from fileshare.cli.follow import follow
from fileshare.service import JobOptions, JobState, Service
from fileshare.service.events import ServiceClosing, ServiceEvent, TorrentAdded, TorrentCompleted, TorrentEnded
from tests.service_net import SimulatedNetwork, make, simulate
from transfer.errors import LocalProtocolError
from transfer.simulation import Simulation


class View:
    """Remembers what it was to show; breaks at one kind of event."""

    def __init__(self, *, breaks_at: type[ServiceEvent] | None = None) -> None:
        self.seen: list[type[ServiceEvent]] = []
        self.has_left = False
        self._breaks_at = breaks_at

    async def show(self, event: ServiceEvent) -> None:
        self.seen.append(type(event))
        if self._breaks_at is not None and isinstance(event, self._breaks_at):
            raise BrokenPipeError("nobody reads")

    def leave(self) -> None:
        self.has_left = True


async def share(service: Service, tmp_path: Path) -> None:
    await service.open()
    await service.add(make(tmp_path, "film"), options=JobOptions(goal=SeedGoal(), seed_only=True))
    await service.wait_idle()


def is_closed(service: Service) -> bool:
    with pytest.raises(LocalProtocolError, match="not open"):
        _ = service.session
    return all(job.state is not JobState.ACTIVE for job in service.jobs)


def test_a_command_that_is_cancelled_shows_how_it_ends(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            service, view = Service(SimulatedNetwork(), download_dir=tmp_path), View()
            command = asyncio.create_task(follow(service, view, share(service, tmp_path)))
            await asyncio.sleep(5)
            assert TorrentCompleted in view.seen
            command.cancel()
            with pytest.raises(asyncio.CancelledError):
                await command
        assert view.seen[-2:] == [ServiceClosing, TorrentEnded]
        assert view.has_left
        assert is_closed(service)

    simulate(scenario)


@pytest.mark.parametrize("kind", [TorrentAdded, ServiceClosing])
def test_a_view_that_breaks_ends_the_command(tmp_path: Path, kind: type[ServiceEvent]) -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            service, view = Service(SimulatedNetwork(), download_dir=tmp_path), View(breaks_at=kind)
            command = asyncio.create_task(follow(service, view, share(service, tmp_path)))
            await asyncio.sleep(5)
            command.cancel()  # if it has not ended yet
            with pytest.raises(BrokenPipeError, match="nobody reads"):
                await command
        assert view.seen[-1] is kind
        assert is_closed(service)

    simulate(scenario)


def test_what_the_work_raises_is_what_the_command_raises(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        async def work() -> None:
            await service.open()
            raise ValueError("no")

        with simulation.host("10.0.0.1"):
            service, view = Service(SimulatedNetwork(), download_dir=tmp_path), View()
            with pytest.raises(ValueError, match="no"):
                await follow(service, view, work())
        assert view.seen[-1] is ServiceClosing
        assert is_closed(service)

    simulate(scenario)


def test_work_that_needs_no_network_opens_none(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        async def work() -> None:
            assert await service.resolve(["magnet:?"]) == []

        service, view = Service(SimulatedNetwork(), download_dir=tmp_path), View()
        await follow(service, view, work())
        assert len(view.seen) == 2, "it failed, and all is over"
        assert is_closed(service)

    simulate(scenario)
