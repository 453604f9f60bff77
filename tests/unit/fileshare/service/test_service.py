"""The application with nobody looking, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from bittorrent import (
    EventsLost,
    Magnet,
    MagnetError,
    Metainfo,
    MetainfoError,
    RateLimits,
    SeedGoal,
    SlowReason,
    StorageError,
    TorrentStats,
    create_metainfo,
)
from bittorrent.aio.storage.disk import FEW_FILES
from fileshare.service import EndReason, JobOptions, JobState, Service, ServiceConfig
from fileshare.service.errors import SharingEndedError, UnknownTorrentError
from fileshare.service.events import (
    MetadataKnown,
    ServiceClosing,
    ServiceOpened,
    TorrentAdded,
    TorrentCompleted,
    TorrentEnded,
    TorrentFailed,
    TorrentPaused,
    TorrentResumed,
    TorrentSlowed,
    TorrentsMoved,
)
from tests.service_net import FRIEND, PORT, US, Recorder, SimulatedNetwork, make, service_on, simulate
from tests.simulation.shared_content import NAME, SharedContent
from transfer.errors import LocalProtocolError
from transfer.simulation import Simulation

SIZE = 200_000
SEED_ON = JobOptions(goal=SeedGoal(), seed_only=True)


def now() -> float:
    return asyncio.get_running_loop().time()


def with_friend(
    simulation: Simulation,
    tmp_path: Path,
    body: Callable[[Service, Service], Awaitable[None]],
    *names: str,
    friend_limit: float | None = None,
    **options: object,
) -> Awaitable[None]:
    """Runs `body(ours, theirs)`: a friend shares torrents of these names, and we know where to find it."""

    async def work() -> None:
        limits = RateLimits(upload_bytes_per_s=friend_limit)
        async with service_on(simulation, FRIEND, tmp_path, limits=limits) as friend:
            for name in names:
                make(tmp_path / "theirs", name)
                with simulation.host(FRIEND):
                    view = Recorder(friend)
                    await friend.add(tmp_path / "theirs" / f"{name}.torrent", options=SEED_ON)
                    await view.wait(TorrentCompleted)
            async with service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,), **options) as ours:  # type: ignore[arg-type]
                with simulation.host(US):
                    await body(ours, friend)

    return work()


# Adding


@pytest.mark.parametrize("way", ["path", "magnet", "metainfo", "info-hash", "parsed magnet"])
def test_a_torrent_is_added_by_whatever_names_it_and_comes(tmp_path: Path, way: str) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        metainfo = Metainfo.from_file(tmp_path / "theirs" / "film.torrent")
        source: str | Path | object = {
            "path": tmp_path / "theirs" / "film.torrent",
            "magnet": metainfo.magnet_link(),
            "metainfo": metainfo,
            "info-hash": metainfo.info_hash.hex(),
            "parsed magnet": metainfo.magnet(),
        }[way]
        view = Recorder(ours)
        job = await ours.add(source)  # type: ignore[arg-type]
        assert (job.state, job.info_hash) == (JobState.ACTIVE, metainfo.info_hash)
        await ours.wait_idle()
        await ours.aclose()
        await view.read_to_end()
        told = [event for event in view.seen if not isinstance(event, TorrentsMoved)]
        assert [type(event) for event in told] == [
            TorrentAdded,
            MetadataKnown,
            TorrentCompleted,
            ServiceClosing,
            TorrentEnded,
        ]
        (job,) = ours.jobs
        assert (job.state, job.reason, job.is_complete) == (JobState.ENDED, EndReason.CLOSED, True)
        assert job.path == tmp_path / "ours" / "film"
        assert job.path.read_bytes() == (tmp_path / "theirs" / "film").read_bytes()
        assert job.stats is not None
        assert job.stats.downloaded_bytes == SIZE

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film"))


def test_what_is_added_twice_is_one_job(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        view = Recorder(ours)
        await ours.add(tmp_path / "theirs" / "film.torrent", options=JobOptions(is_optional=True))
        await ours.add(Metainfo.from_file(tmp_path / "theirs" / "film.torrent"))
        assert len(ours.jobs) == 1
        assert not ours.jobs[0].is_optional, "now somebody asked for it"
        await ours.wait_idle()
        await ours.aclose()
        await view.read_to_end()
        assert len(view.of(TorrentAdded)) == 1

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film"))


def test_a_hybrid_that_is_added_by_its_other_hash_is_one_job(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        make(tmp_path / "elsewhere", "film")
        hybrid = create_metainfo(tmp_path / "elsewhere" / "film", format="hybrid", piece_length=1 << 14)
        known = hybrid.torrent_id
        async with service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,)) as ours:
            with simulation.host(US):
                for source in (hybrid, Magnet(v2=known.v2), Magnet(v1=known.v1), hybrid.magnet()):
                    assert (await ours.add(source)).info_hash == hybrid.info_hash
                assert len(ours.jobs) == 1

    simulate(scenario)


def test_labels_are_resolved_before_anything_is_open_and_each_torrent_once(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        metainfo = make(tmp_path, "film")
        (tmp_path / "bad.torrent").write_bytes(b"nothing")
        service = Service(_nowhere())
        view = Recorder(service)
        labels = [str(tmp_path / "film.torrent"), str(tmp_path / "bad.torrent"), "magnet:?", metainfo.magnet_link()]
        sources = await service.resolve(labels)
        assert [(source.label, source.torrent) for source in sources] == [(labels[0], metainfo)]
        await service.aclose()
        await view.read_to_end()
        assert [event.job.label for event in view.of(TorrentFailed)] == labels[1:3]
        assert [type(event.job.error) for event in view.of(TorrentFailed)] == [MetainfoError, MagnetError]
        with pytest.raises(LocalProtocolError, match="not open"):
            await service.add(metainfo)

    simulate(scenario)


def test_what_is_wrong_with_some_leaves_the_others(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        view = Recorder(ours)
        lonely = make(tmp_path / "elsewhere", "lonely")
        (tmp_path / "bad.torrent").write_bytes(b"nothing")
        renamed = replace(Metainfo.from_file(tmp_path / "theirs" / "film.torrent"), trackers=())
        other = make(tmp_path / "elsewhere", "film", size=SIZE + 1)  # the same place on disk
        results = [
            await ours.add(source)
            for source in (str(tmp_path / "bad.torrent"), renamed, other, lonely, str(tmp_path / "missing.torrent"))
        ]
        assert [job.state for job in results] == [
            JobState.FAILED,
            JobState.ACTIVE,
            JobState.FAILED,
            JobState.ACTIVE,
            JobState.FAILED,
        ]
        await ours.wait_idle()
        states = [(job.state, type(job.error).__name__) for job in ours.jobs]
        assert states == [
            (JobState.FAILED, "MetainfoError"),
            (JobState.COMPLETE, "NoneType"),
            (JobState.FAILED, "StorageError"),
            (JobState.FAILED, "NoPeersError"),
            (JobState.FAILED, "StorageError"),
        ]
        assert (tmp_path / "ours" / "film").read_bytes() == (tmp_path / "theirs" / "film").read_bytes()
        await ours.aclose()
        await view.read_to_end()
        assert len(view.of(TorrentFailed)) == 4

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film", no_peers_timeout_s=45.0))


# Goals


def test_a_goal_of_time_counts_while_it_is_shared(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        metainfo = make(tmp_path, "film")
        async with service_on(simulation, US, tmp_path) as service:
            view = Recorder(service, max_waiting=10_000)
            options = JobOptions(goal=SeedGoal(seconds=100.0), seed_only=True)
            await service.add(metainfo, options=options)
            await view.wait(TorrentCompleted)
            began = now()
            await asyncio.sleep(30)
            await service.pause(metainfo.info_hash)
            await asyncio.sleep(1000)
            service.resume(metainfo.info_hash)
            ended = (await view.wait(TorrentEnded)).job
            assert ended.reason is EndReason.GOAL
            assert 1100 <= now() - began < 1101
            await service.wait_idle()
            await asyncio.sleep(1)
            assert service.session.torrents == {}
            assert [type(event) for event in view.of(TorrentPaused, TorrentResumed)] == [TorrentPaused, TorrentResumed]

    simulate(scenario)


def test_a_goal_of_copies_ends_the_seed_and_not_the_download(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        info_hash = Metainfo.from_file(tmp_path / "theirs" / "film.torrent").info_hash
        theirs.set_goal(info_hash, SeedGoal(ratio=1.0))
        view = Recorder(theirs)
        await ours.add(tmp_path / "theirs" / "film.torrent")
        ended = (await view.wait(TorrentEnded)).job
        await ours.wait_idle()
        assert ended.reason is EndReason.GOAL
        assert ended.stats is not None
        assert ended.stats.uploaded_bytes == SIZE
        assert [job.is_complete for job in (*ours.jobs, *theirs.jobs)] == [True, True]
        with pytest.raises(UnknownTorrentError):
            theirs.set_goal(info_hash, None)

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film"))


def test_without_a_goal_it_is_done_when_complete_and_shared_on(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        (info_hash,) = theirs.session.torrents
        await ours.add(info_hash.hex())
        await ours.wait_idle()
        assert info_hash in ours.session.torrents
        assert ours.jobs[0].state is JobState.COMPLETE
        ours.set_goal(info_hash, SeedGoal(seconds=0.0))
        await ours.wait_idle()
        assert ours.jobs[0].reason is EndReason.GOAL

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film"))


# Commands


def test_a_paused_download_moves_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        (info_hash,) = theirs.session.torrents
        await ours.add(info_hash.hex())
        await Recorder(ours).wait(TorrentsMoved, lambda event: event.jobs and event.jobs[0].stats.downloaded_bytes)
        await ours.pause(info_hash)
        before = _stats(ours).downloaded_bytes
        await asyncio.sleep(600)
        assert _stats(ours).downloaded_bytes == before < SIZE
        assert ours.jobs[0].is_paused
        ours.resume(info_hash)
        await ours.wait_idle()
        assert _stats(ours).done_bytes == SIZE

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film", friend_limit=20e3))


def test_what_is_added_paused_waits(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        path = tmp_path / "theirs" / "film.torrent"
        job = await ours.add(path, options=JobOptions(paused=True))
        assert job.is_paused
        await asyncio.sleep(600)
        assert _stats(ours).downloaded_bytes == 0
        assert job.info_hash is not None
        ours.resume(job.info_hash)
        await ours.wait_idle()
        assert not ours.jobs[0].is_paused

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film"))


def test_what_is_removed_leaves_its_files_unless_they_are_to_go(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        view = Recorder(ours)
        for deletes in (False, True):
            job = await ours.add(tmp_path / "theirs" / "film.torrent")
            assert job.info_hash is not None
            await view.wait(TorrentCompleted)
            await ours.remove(job.info_hash, delete_files=deletes)
            ended = (await view.wait(TorrentEnded)).job
            assert (ended.reason, ended.is_complete) == (EndReason.REMOVED, True)
            assert (tmp_path / "ours" / "film").exists() is not deletes
            assert ours.session.torrents == {}
            with pytest.raises(UnknownTorrentError):
                await ours.remove(job.info_hash)
        await ours.wait_idle()

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film"))


def test_selecting_more_begins_again_and_tells_of_it(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        for name in ("a", "b"):
            make(tmp_path / "theirs" / "both", name, size=1 << 18)
            (tmp_path / "theirs" / "both" / f"{name}.torrent").unlink()
        metainfo = create_metainfo(tmp_path / "theirs" / "both")
        async with (
            service_on(simulation, FRIEND, tmp_path / "theirs") as theirs,
            service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,)) as ours,
        ):
            with simulation.host(FRIEND):
                await theirs.add(metainfo, options=SEED_ON)
            with simulation.host(US):
                view = Recorder(ours)
                await ours.add(metainfo, options=JobOptions(select=("a",)))
                first = (await view.wait(TorrentCompleted)).job
                await ours.wait_idle()
                await ours.select(metainfo.info_hash, ["a", "b"])
                second = (await view.wait(TorrentCompleted)).job
                await ours.wait_idle()
        assert (first.stats.wanted_bytes, second.stats.wanted_bytes) == (1 << 18, 1 << 19)
        for name in ("a", "b"):
            there, here = (tmp_path / whose / "both" / name for whose in ("theirs", "ours"))
            assert here.read_bytes() == there.read_bytes()

    simulate(scenario)


@pytest.mark.parametrize("is_for_one", [False, True])
def test_limits_hold_for_everything_or_for_one(tmp_path: Path, is_for_one: bool) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        (info_hash,) = theirs.session.torrents
        if is_for_one:
            await ours.add(info_hash.hex(), options=JobOptions(paused=True))
            ours.set_limits(RateLimits(download_bytes_per_s=10e3), info_hash=info_hash)
            ours.resume(info_hash)
        else:
            ours.set_limits(RateLimits(download_bytes_per_s=10e3))
            await ours.add(info_hash.hex())
        began = now()
        await ours.wait_idle()
        assert now() - began > 0.8 * SIZE / 10e3

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film"))


def test_commands_about_what_is_not_there_are_errors_of_the_caller(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with service_on(simulation, US, tmp_path) as service:
            service.reject("nothing", StorageError("it is not there"))
            nobody = b"x" * 20
            for command in (service.pause(nobody), service.remove(nobody), service.select(nobody, [])):
                with pytest.raises(UnknownTorrentError, match="there is no torrent 7878"):
                    await command
            with pytest.raises(UnknownTorrentError):
                service.resume(nobody)
            await service.wait_idle()

    simulate(scenario)


# Disks


def test_a_full_disk_fails_the_job_and_resume_goes_on(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        content = SharedContent.make(1 << 20, 1 << 16, Random(1))
        disk = simulation.disk(US)
        disk.config = replace(disk.config, capacity_bytes=1 << 18)
        seeds = content.on(simulation.disk(FRIEND), complete=True)
        async with (
            service_on(simulation, FRIEND, tmp_path / "theirs", open_storage=seeds) as theirs,
            service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,), open_storage=content.on(disk)) as ours,
        ):
            with simulation.host(FRIEND):
                await theirs.add(content.metainfo, options=SEED_ON)
            with simulation.host(US):
                await ours.add(content.metainfo)
                await ours.wait_idle()
                (job,) = ours.jobs
                assert job.state is JobState.FAILED
                assert isinstance(job.error, StorageError)
                disk.config = replace(disk.config, capacity_bytes=1 << 21)
                ours.resume(content.metainfo.info_hash)
                await ours.wait_idle()
                assert ours.jobs[0].state is JobState.COMPLETE
                assert ours.jobs[0].error is None
        assert content.is_on(disk)

    simulate(scenario)


def test_a_piece_that_is_lost_while_it_is_shared_is_fetched_again_and_no_failure(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        content = SharedContent.make(1 << 20, 1 << 16, Random(1))
        disk = simulation.disk(US)
        seeds = content.on(simulation.disk(FRIEND), complete=True)
        slow = RateLimits(upload_bytes_per_s=20e3)
        async with (
            service_on(simulation, FRIEND, tmp_path / "theirs", open_storage=seeds) as theirs,
            service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,), open_storage=content.on(disk)) as ours,
        ):
            with simulation.host(FRIEND):
                await theirs.add(content.metainfo, options=SEED_ON)
            with simulation.host(US):
                view = Recorder(ours)
                await ours.add(content.metainfo, options=JobOptions(goal=SeedGoal()))
                await view.wait(TorrentCompleted)
                theirs.set_limits(slow)
                disk.flip_bit(NAME, 70_000)
                assert await ours.torrent(content.metainfo.info_hash).recheck() == 1
                await asyncio.sleep(1)
                assert _state(ours) is JobState.ACTIVE
                await asyncio.sleep(60)
                assert _state(ours) is JobState.COMPLETE
                await ours.aclose()
                await view.read_to_end()
        assert len(view.of(TorrentCompleted)) == 1
        assert view.of(TorrentFailed) == []
        assert content.is_on(disk)

    simulate(scenario)


def test_a_seed_that_loses_its_file_fails_by_name(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        metainfo = make(tmp_path, "film")
        other = make(tmp_path, "other")
        async with service_on(simulation, US, tmp_path) as service:
            view = Recorder(service)
            for each in (metainfo, other):
                await service.add(each, options=SEED_ON)
                await view.wait(TorrentCompleted)
            (tmp_path / "film").unlink()
            failed = (await view.wait(TorrentFailed)).job
            assert isinstance(failed.error, SharingEndedError)
            assert str(failed.error).startswith("film is shared no longer: ")
            assert [job.state for job in service.jobs] == [JobState.FAILED, JobState.COMPLETE]
            with pytest.raises(LocalProtocolError, match="film has stopped; add it again"):
                service.resume(metainfo.info_hash)

    simulate(scenario)


# What survives


def test_closing_saves_what_the_next_start_goes_on_with(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        metainfo = make(tmp_path / "theirs", "film")
        got: list[TorrentStats] = []
        is_complete = False
        slow = RateLimits(upload_bytes_per_s=20e3)
        async with service_on(simulation, FRIEND, tmp_path / "theirs", limits=slow) as theirs:
            with simulation.host(FRIEND):
                await theirs.add(metainfo, options=SEED_ON)
            for seconds in (5, 1000):
                state_dir = tmp_path / "state"
                async with service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,), state_dir=state_dir) as ours:
                    with simulation.host(US):
                        await ours.add(metainfo.magnet_link())
                        await asyncio.sleep(seconds)
                got.append(_stats(ours))
                assert {path.suffix for path in state_dir.rglob(f"{metainfo.info_hash.hex()}*")} >= {".torrent"}
                is_complete = ours.jobs[0].is_complete
        first, second = got
        assert 0 < first.done_bytes < SIZE
        assert is_complete
        assert first.downloaded_bytes + second.downloaded_bytes <= SIZE + (1 << 14), "at most a block under way"

    simulate(scenario)


def test_what_earlier_runs_gave_counts_where_it_is_remembered(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        metainfo = make(tmp_path / "theirs", "film")
        state_dir = tmp_path / "state"
        async with service_on(simulation, FRIEND, tmp_path / "theirs", state_dir=state_dir) as theirs:
            with simulation.host(FRIEND):
                await theirs.add(metainfo, options=SEED_ON)
            async with service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,)) as ours:
                with simulation.host(US):
                    await ours.add(metainfo)
                    await ours.wait_idle()
        async with service_on(simulation, FRIEND, tmp_path / "theirs", state_dir=state_dir) as theirs:
            with simulation.host(FRIEND):
                await theirs.add(metainfo, options=replace(SEED_ON, goal=SeedGoal(ratio=1.0)))
                await theirs.wait_idle()
                assert theirs.jobs[0].reason is EndReason.GOAL
                assert _stats(theirs).uploaded_bytes == 0

    simulate(scenario)


# Folders


def test_folders_are_watched_beside_what_was_asked_for(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        named = make(tmp_path / "folder", "named")
        passing = make(tmp_path / "folder", "passing")
        async with service_on(simulation, US, tmp_path) as service:
            view = Recorder(service)
            await service.add(tmp_path / "folder" / "named.torrent", options=SEED_ON)
            await service.watch(tmp_path / "folder")
            assert {job.name for job in service.jobs} == {"named", "passing"}
            late = make(tmp_path / "folder", "late")
            (tmp_path / "folder" / "named.torrent").unlink()
            (tmp_path / "folder" / "passing.torrent").unlink()
            ended = (await view.wait(TorrentEnded)).job
            assert (ended.info_hash, ended.reason) == (passing.info_hash, EndReason.REMOVED)
            await asyncio.sleep(11)
            assert set(service.session.torrents) == {named.info_hash, late.info_hash}
            with pytest.raises(OSError, match="none"):
                await service.watch(tmp_path / "none")

    simulate(scenario)


# Views


def test_two_views_of_one_service_see_the_same(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        first, second = Recorder(ours), Recorder(ours)
        reading = asyncio.create_task(first.read_to_end())
        await ours.add(tmp_path / "theirs" / "film.torrent")
        await ours.wait_idle()
        late = Recorder(ours)
        await ours.aclose()
        assert await reading == await second.read_to_end() != []
        assert [type(event) for event in await late.read_to_end()] == [ServiceClosing, TorrentEnded]
        moments = [event.jobs[0].stats.done_bytes for event in first.of(TorrentsMoved) if event.jobs]
        assert moments == sorted(moments)

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film", friend_limit=50e3))


def test_a_view_that_does_not_read_loses_by_count_and_delays_nobody(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        slow, quick = Recorder(ours, max_waiting=3), Recorder(ours, max_waiting=100_000)
        await ours.add(tmp_path / "theirs" / "film.torrent")
        await ours.wait_idle()
        await ours.aclose()
        everything = await quick.read_to_end()
        lost, *rest = await slow.read_to_end()
        assert isinstance(lost, EventsLost)
        assert rest == everything[-3:]
        assert lost.count == len(everything) - 3 > 0

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "film", friend_limit=50e3))


def test_snapshots_come_at_the_pace_that_was_asked_for_and_more_rarely_of_many(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        counts = []
        for many in (100, 2):
            config = ServiceConfig(refresh_interval_s=0.5, many_jobs=many)
            async with service_on(simulation, US, tmp_path, config=config) as service:
                view = Recorder(service)
                for name in ("a", "b", "c", "d", "e", "f", "g", "h"):
                    await service.add(make(tmp_path, name), options=SEED_ON)
                await asyncio.sleep(100)
                await service.aclose()
                await view.read_to_end()
                counts.append(len(view.of(TorrentsMoved)))
        assert 195 <= counts[0] <= 205
        assert 45 <= counts[1] <= 55

    simulate(scenario)


def test_a_view_hears_once_why_nothing_comes(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with service_on(simulation, US, tmp_path / "ours") as service:
            view = Recorder(service)
            began = now()
            await service.add(make(tmp_path / "theirs", "film"))
            slowed = (await view.wait(TorrentSlowed)).job
            assert 5 <= now() - began < 7
            assert slowed.explanation is not None
            assert slowed.explanation.reason is SlowReason.NO_PEERS
            await asyncio.sleep(60)
            await service.aclose()
            await view.read_to_end()
            assert len(view.of(TorrentSlowed)) == 1

    simulate(scenario)


def test_a_view_hears_where_others_can_call(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host(US):
            service = Service(_nowhere(), download_dir=tmp_path)
            view = Recorder(service)
            async with service:
                opened = await view.wait(ServiceOpened)
                assert (opened.address.host, opened.address.port) == (US, PORT)
                assert opened.dht_address is None
                with pytest.raises(LocalProtocolError, match="only once"):
                    await service.open()

    simulate(scenario)


# Ends


def test_a_bug_in_the_service_is_not_waited_for_in_vain(tmp_path: Path) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Broken(SeedGoal):
        def is_reached(self, stats: TorrentStats, *, seeding_s: float, uploaded_before_bytes: int = 0) -> bool:
            raise RuntimeError("a bug")

    async def scenario(simulation: Simulation) -> None:
        async with service_on(simulation, US, tmp_path) as service:
            await service.add(make(tmp_path, "film"), options=replace(SEED_ON, goal=Broken(ratio=1.0)))
            with pytest.raises(RuntimeError, match="a bug"):
                await service.wait_idle()

    simulate(scenario)


def test_closing_in_the_middle_of_everything_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    async def body(ours: Service, theirs: Service) -> None:
        adding = [asyncio.create_task(ours.add(tmp_path / "theirs" / f"{name}.torrent")) for name in "ab"]
        await asyncio.sleep(0.02)
        adding[1].cancel()
        await asyncio.gather(ours.aclose(), ours.aclose(), *adding, return_exceptions=True)
        await ours.aclose()
        assert all(job.state is not JobState.ACTIVE for job in ours.jobs)
        with pytest.raises(LocalProtocolError):
            await ours.add(tmp_path / "theirs" / "a.torrent")

    simulate(lambda simulation: with_friend(simulation, tmp_path, body, "a", "b"))


def test_an_add_that_is_cancelled_is_no_job_to_wait_for(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> None:
        (tmp_path / "many").mkdir()
        for number in range(FEW_FILES + 1):
            (tmp_path / "many" / str(number)).write_bytes(b"x")
        metainfo = create_metainfo(tmp_path / "many")  # it takes a moment to see where they go
        async with service_on(simulation, US, tmp_path) as service:
            adding = asyncio.create_task(service.add(metainfo, options=SEED_ON))
            await asyncio.sleep(0)
            adding.cancel()
            await asyncio.gather(adding, return_exceptions=True)
            await service.wait_idle()
            assert [job.reason for job in service.jobs] == [EndReason.REMOVED]

    simulate(scenario)


def _state(service: Service) -> JobState:
    (job,) = service.jobs
    return job.state


def _stats(service: Service) -> TorrentStats:
    (job,) = service.jobs
    assert job.stats is not None
    return job.stats


def _nowhere() -> SimulatedNetwork:
    return SimulatedNetwork()
