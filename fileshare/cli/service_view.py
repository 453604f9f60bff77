"""What every command says that follows a service; each adds what is its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from bittorrent import BadBlock, EventsLost, IpFilter
from fileshare.cli.errors import error_text
from fileshare.cli.limits import report_refusals
from fileshare.cli.mapping import report_mapping
from fileshare.cli.output import Output
from fileshare.cli.transfers import TransferView
from fileshare.cli.units import count_text
from fileshare.service import JobSnapshot
from fileshare.service.events import (
    BlockFailed,
    ConnectionsRefused,
    DhtUnreachable,
    FetchStarted,
    FolderEmpty,
    FolderUnreadable,
    PortMappingChanged,
    ServiceClosing,
    ServiceEvent,
    ServiceOpened,
    TorrentAdded,
    TorrentCompleted,
    TorrentEnded,
    TorrentFailed,
    TorrentSlowed,
    TorrentsMoved,
    TorrentWarned,
    VersionFound,
    VersionUnusable,
)
from fileshare.text import one_line, printable
from transfer import TransferError


class ServiceView:
    """Text for people, events for programs, and something that lives on a terminal.

    Args:
        several: whether there may be more than one torrent: then errors are told at once.
        advise: may make a better error of one.
    """

    def __init__(
        self,
        output: Output,
        *,
        several: bool,
        advise: Callable[[TransferError | OSError], TransferError | OSError] = lambda error: error,
    ) -> None:
        self._output = output
        self._several = several
        self._advise = advise
        self._transfers = TransferView(output, several=several)
        self._drawing = ExitStack()
        self._is_drawing = False

    def show(self, event: ServiceEvent) -> None:
        """One thing happened."""
        output = self._output
        match event:
            case FetchStarted(url=url):
                output.say(f"fetching {printable(url)}")
            case ServiceOpened():
                self._show_opened(event)
            case PortMappingChanged():
                report_mapping(output, event)
            case DhtUnreachable(error=error):
                text = f"{error}; going on without the DHT, which is tried again"
                output.complain(text)
                output.event("warning", tracker=None, message=text)
            case TorrentAdded(job=job):
                output.event("added", info_hash=job.info_hash, name=job.name, source=job.label)
            case TorrentsMoved(jobs=jobs):
                self._draw()
                for job in jobs:
                    self._show_moment(job)
                self._transfers.refresh()
            case TorrentSlowed(job=job):
                self._show_slowness(job)
            case TorrentCompleted(job=job):
                self._show_moment(job)
            case TorrentFailed(job=job):
                self._show_failure(job)
            case TorrentEnded(job=job):
                self._forget(job)
            case TorrentWarned():
                output.complain(one_line(f"{event.name}: the tracker {event.tracker} warns: {event.message}"))
                output.event("warning", info_hash=event.info_hash, tracker=event.tracker, message=event.message)
            case BlockFailed(block=block):
                self._show_bad_block(event.info_hash, event.name, block)
            case VersionFound():
                output.say(f"version {event.number} of {one_line(event.label)} is {event.info_hash.hex()}")
                output.event("version", source=event.label, number=event.number, info_hash=event.info_hash)
            case VersionUnusable(error=unusable):
                text = one_line(f"version {event.number} of {event.label} is of no use: {unusable}")
                output.complain(text)
                output.event("warning", tracker=None, message=text)
            case ConnectionsRefused(summary=summary):
                report_refusals(output, summary)
            case FolderEmpty(directory=directory):
                output.say(
                    f"there is no .torrent file in {directory} yet; one that is put there is shared"
                    " (`kad torrent create` makes them)"
                )
            case FolderUnreadable(error=unreadable):
                output.complain(f"{error_text(unreadable)}: what it held is shared on until it can be read again")
            case ServiceClosing():
                self.leave()
            case EventsLost(count=count):
                output.complain(f"{count_text(count, 'event')} came faster than they could be shown, and are left out")

    def leave(self) -> None:
        """Nothing is drawn over any more."""
        self._drawing.close()

    def _draw(self) -> None:
        if not self._is_drawing:
            self._is_drawing = True
            self._drawing.enter_context(self._transfers)

    def _show_opened(self, event: ServiceOpened) -> None:
        output, blocked = self._output, event.ip_filter
        if event.proxy is not None:
            output.say(f"everything goes through the proxy {event.proxy}; nobody can call us")
        if event.proxy_error is not None:
            output.complain(event.proxy_error)
            output.event("warning", tracker=None, message=event.proxy_error)
        if event.local_error is not None:
            output.complain(event.local_error)
        if blocked is not None:
            output.say(f"{count_text(len(blocked), 'range')} of addresses blocked by {event.ip_filter_file}")
            if blocked.skipped_lines:
                output.complain(one_line(f"{event.ip_filter_file}: {_explain_skipped(blocked)}"))
        output.event(
            "listening",
            address=event.address,
            dht_address=event.dht_address,
            blocked_ranges=len(blocked) if blocked is not None else 0,
            skipped_lines=blocked.skipped_lines if blocked is not None else 0,
        )

    def _show_moment(self, job: JobSnapshot) -> None:
        assert job.stats is not None
        self._transfers.show(job.stats, job.explanation, job.peers)

    def _show_slowness(self, job: JobSnapshot) -> None:
        explanation = job.explanation
        assert explanation is not None
        text = one_line(explanation.text)
        self._output.say(f"{job.name}: {text}")
        self._output.event(
            "slow",
            info_hash=job.info_hash,
            reason=explanation.reason,
            text=text,
            peers={reason.value: count for reason, count in explanation.peers.items()},
        )

    def _show_bad_block(self, info_hash: bytes, name: str, block: BadBlock) -> None:
        where = f"{count_text(block.length, 'byte')} at {block.begin} of piece {block.index}"
        whence = "kept from an earlier run" if block.sender is None else f"from {block.sender}, which is left alone now"
        self._output.complain(one_line(f"{name}: bad data is fetched again: {where} ({whence})"))
        self._output.event(
            "bad_block",
            info_hash=info_hash,
            piece=block.index,
            begin=block.begin,
            length=block.length,
            peer=block.sender,
        )

    def _show_failure(self, job: JobSnapshot) -> None:
        self._forget(job)
        if self._several:
            assert job.error is not None
            text = error_text(self._advise(job.error))
            message = one_line(text if text.startswith(job.label) else f"{job.label}: {text}")
            self._output.complain(message)
            info_hash = job.info_hash if job.stats is not None else None
            self._output.event("failed", info_hash=info_hash, source=job.label, message=message)

    def _forget(self, job: JobSnapshot) -> None:
        if job.info_hash is not None:
            self._transfers.forget(job.info_hash)


def _explain_skipped(blocked: IpFilter) -> str:
    count = count_text(blocked.skipped_lines, "line")
    more = ", …" if blocked.skipped_lines > len(blocked.skipped) else ""
    return f"{count} made no sense: {', '.join(map(str, blocked.skipped))}{more}"
