"""How torrents end, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fileshare.cli.errors import CommandError
from fileshare.cli.output import Output
from fileshare.cli.transfers import transfer_fields
from fileshare.cli.units import count_text, size_text
from fileshare.service import EndReason, JobSnapshot
from fileshare.text import one_line
from transfer import TransferError


def report_done(output: Output, job: JobSnapshot) -> None:
    """The "done" event."""
    stats = job.stats
    assert stats is not None
    output.event(
        "done",
        info_hash=stats.info_hash,
        info_hash_v2=stats.info_hash_v2,
        name=stats.name,
        path=job.path,
        bytes=stats.total_bytes,
        wanted_bytes=stats.wanted_bytes,
        pieces=stats.piece_count,
        seconds=job.seconds,
        **transfer_fields(stats),
    )


def report_end(output: Output, job: JobSnapshot, *, several: bool) -> None:
    """What is to be said of a torrent that was complete and is shared no longer."""
    stats = job.stats
    if stats is None or not job.is_complete:
        return
    if stats.uploaded_bytes or not several:
        whose = f"{one_line(stats.name)}: " if several else "stopped: "
        output.say(f"{whose}{size_text(stats.uploaded_bytes)} sent to others")
    report_done(output, job)


def report_close(output: Output, jobs: Sequence[JobSnapshot], *, several: bool) -> None:
    """The same of all that were shared until the service closed."""
    for job in jobs:
        if job.reason is EndReason.CLOSED:
            report_end(output, job, several=several)


def report_stop(output: Output, job: JobSnapshot) -> None:
    """The "stopped" event of a torrent that is not complete."""
    stats = job.stats
    if stats is not None:
        output.event(
            "stopped",
            info_hash=stats.info_hash,
            name=stats.name,
            done_bytes=stats.done_bytes,
            wanted_bytes=stats.wanted_bytes,
            needed_bytes=stats.needed_bytes,
        )


def check_jobs(
    jobs: Sequence[JobSnapshot],
    *,
    several: bool,
    advise: Callable[[TransferError | OSError], TransferError | OSError] = lambda error: error,
) -> None:
    """Whether all went well.

    Args:
        advise: may make a better error of one.

    Raises:
        TransferError, OSError: what was wrong with the only torrent, or how many failed.
    """
    asked_for = [job for job in jobs if not job.is_optional]
    errors = [job.error for job in asked_for if job.error is not None]
    if errors and not several:
        raise advise(errors[0])
    if errors:
        raise CommandError(f"{len(errors)} of {count_text(len(asked_for), 'torrent')} failed, see above")
