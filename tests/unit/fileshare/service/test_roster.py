"""The jobs that a service has, and had."""

from __future__ import annotations

import pytest

from fileshare.service.errors import UnknownTorrentError
from fileshare.service.jobs import EndReason, Job
from fileshare.service.roster import Roster
from transfer.errors import TransferError


def new(roster: Roster, label: str, info_hash: bytes | None = None) -> Job:
    job = Job(label, now=0.0)
    roster.new(job, info_hash)
    return job


def labels(roster: Roster) -> list[str]:
    return [entry.job.label for entry in roster]


def test_an_attempt_replaces_one_that_failed_and_none_that_lives() -> None:
    roster = Roster(max_over=10)
    first = new(roster, "a", b"1")
    new(roster, "b", None).fail(TransferError("no torrent"), now=0.0)
    second = new(roster, "a", None)
    assert labels(roster) == ["a", "b", "a"]
    second.fail(TransferError("half written"), now=0.0)
    new(roster, "a", b"2")
    assert labels(roster) == ["a", "b", "a"], "the file was written anew"
    assert first.is_live
    roster.check_invariants()


def test_commands_are_about_torrents_that_began() -> None:
    roster = Roster(max_over=10)
    job = new(roster, "a", b"1")
    for info_hash in (b"1", b"2"):
        with pytest.raises(UnknownTorrentError, match="there is no torrent"):
            roster.need(info_hash)
    assert roster.find(b"1") is not None
    job.end(EndReason.REMOVED, now=0.0)
    assert roster.find(b"1") is None


def test_of_those_that_are_over_only_the_last_are_kept() -> None:
    roster = Roster(max_over=2)
    new(roster, "alive", b"0")
    for number in range(1, 6):
        new(roster, str(number), bytes([number])).end(EndReason.GOAL, now=0.0)
        roster.prune()
        roster.check_invariants()
    assert labels(roster) == ["alive", "4", "5"]
