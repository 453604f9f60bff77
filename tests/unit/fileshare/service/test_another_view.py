"""Another view beside the command line: a remote control of a few lines. What is to come stands on the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bittorrent import SeedGoal
from fileshare.cli.follow import follow
from fileshare.cli.output import Output
from fileshare.cli.service_view import ServiceView
from fileshare.service import JobOptions, Service
from fileshare.service.errors import UnknownTorrentError
from fileshare.service.events import ServiceEvent, TorrentCompleted
from tests.service_net import FRIEND, PORT, US, Recorder, SimulatedNetwork, make, service_on, simulate
from transfer.address import Address
from transfer.simulation import Simulation


class Remote:
    """Takes one command a line, answers each with one line of JSON, and after `events` tells what happens."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := (await reader.readline()).decode().split():
                if line == ["events"]:
                    async for event in self._service.events():
                        writer.write(f"{type(event).__name__}\n".encode())
                    break
                writer.write(f"{json.dumps(await self._do(*line))}\n".encode())
        finally:
            writer.close()

    async def _do(self, command: str, *arguments: str) -> Any:
        service = self._service
        try:
            match command, arguments:
                case "add", (source,):
                    return str((await service.add(source)).error or "")
                case "pause", (info_hash,):
                    await service.pause(bytes.fromhex(info_hash))
                case "resume", (info_hash,):
                    service.resume(bytes.fromhex(info_hash))
                case "list", ():
                    return [[job.name, job.state.value, job.is_paused] for job in service.jobs]
        except UnknownTorrentError as error:
            return str(error)
        return ""


class CommandLine:
    """What `kad` shows, while the remote control is in use."""

    def __init__(self) -> None:
        self._view = ServiceView(Output(as_json=True), several=True)

    async def show(self, event: ServiceEvent) -> None:
        self._view.show(event)

    def leave(self) -> None:
        self._view.leave()


class Control:
    """The other end of `Remote`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, line: str) -> Any:
        self._writer.write(f"{line}\n".encode())
        return json.loads(await self._reader.readline())

    async def events(self) -> list[str]:
        self._writer.write(b"events\n")
        return (await self._reader.read()).decode().split()

    def close(self) -> None:
        self._writer.close()


def test_a_remote_control_works_beside_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario(simulation: Simulation) -> None:
        metainfo = make(tmp_path / "theirs", "film")
        info_hash = metainfo.info_hash.hex()
        network = SimulatedNetwork(host=US, peers=(Address(FRIEND, PORT),))
        service = Service(network, download_dir=tmp_path / "ours")
        is_over = asyncio.Event()

        async def work() -> None:
            await service.open()
            server = await asyncio.start_server(Remote(service).serve, US, 9000)
            await is_over.wait()
            server.close()

        with simulation.host(US):
            shown = asyncio.create_task(follow(service, CommandLine(), work()))
        await asyncio.sleep(0.1)
        async with service_on(simulation, FRIEND, tmp_path / "theirs") as friend:
            with simulation.host(FRIEND):
                await friend.add(metainfo, options=JobOptions(goal=SeedGoal(), seed_only=True))
                control = Control(*await asyncio.open_connection(US, 9000))
                listener = Control(*await asyncio.open_connection(US, 9000))
                heard = asyncio.create_task(listener.events())
                assert await control.ask("list") == []
                assert "there is no torrent" in await control.ask(f"pause {info_hash}")
                assert await control.ask("add nothing.torrent") != ""
                completed = asyncio.create_task(Recorder(service).wait(TorrentCompleted))
                await asyncio.sleep(0)
                assert await control.ask(f"add {metainfo.magnet_link()}") == ""
                assert await control.ask(f"pause {info_hash}") == ""
                assert ["film", "active", True] in await control.ask("list")
                assert await control.ask(f"resume {info_hash}") == ""
                await completed
                assert ["film", "complete", False] in await control.ask("list")
                is_over.set()
                names = await heard
                control.close()
                listener.close()
        await shown
        told = [name for name in names if name != "TorrentsMoved"]
        assert told == [
            *("TorrentFailed", "TorrentAdded", "TorrentPaused", "TorrentResumed"),
            *("MetadataKnown", "TorrentCompleted", "ServiceClosing", "TorrentEnded"),
        ]

    simulate(scenario)
    printed = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert [name for name in printed if name != "progress"] == ["listening", "failed", "added", "metadata"]
    assert "progress" in printed
