"""The options by which commands reach others, which they have in common, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittorrent.config import SessionConfig
from bittorrent.dialling.ip_filter import IpFilter, IpFilterError
from bittorrent.rate_limits import RateLimits
from fileshare.cli.errors import CommandError
from fileshare.cli.options import parse_bootstrap, parse_endpoint, parse_listen
from fileshare.cli.output import Output
from fileshare.cli.units import count_text, parse_rate
from fileshare.service.network import open_session
from fileshare.text import one_line
from kademlia_core.errors import BootstrapError, NodeClosedError
from transfer.address import Address
from transfer.plain_file import read_file

if TYPE_CHECKING:
    from bittorrent.aio.session import Session
    from kademlia_core.aio.mainline import MainlineNode

PeerOption = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="HOST:PORT", help="A peer to ask besides those found, may be repeated."),
]
WebSeedOption = Annotated[
    list[str] | None,
    typer.Option("--web-seed", metavar="URL", help="A server that has the files as well, may be repeated."),
]
LimitDownOption = Annotated[
    str | None,
    typer.Option(
        "--limit-down", metavar="RATE", help="Download no faster than this in all: 500k, 2M or 1.5MiB (per second)."
    ),
]
LimitUpOption = Annotated[
    str | None,
    typer.Option("--limit-up", metavar="RATE", help="Upload no faster than this in all: 500k, 2M or 1.5MiB."),
]
IpFilterOption = Annotated[
    Path | None,
    typer.Option(
        "--ip-filter",
        metavar="FILE",
        help="A list of addresses to have nothing to do with: PeerGuardian, ipfilter.dat, CIDR, also gzipped.",
    ),
]
LocalOption = Annotated[
    bool | None,
    typer.Option("--local/--no-local", help="Find peers in the local network, too (BEP 14), which is the default."),
]

AllowPrivateOption = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        help="Call private addresses and this machine, too, when a torrent, a magnet link, a server or a peer names"
        " them. What you name yourself is always called.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """What a user wants of the network.

    Attributes:
        listen: None for the usual ports.
        bootstrap: None to stay out of the DHT.
        peers: to be asked besides those found.
        limits: of everything together, peers of the local network and on this machine included.
        ip_filter: hosts to have nothing to do with; `ip_filter_file` is where they were read from.
        local: look for peers in the local network; None: where that works.
        allow_private: whatever others name may lie in a private network (`bittorrent.dialling.targets`).
    """

    listen: Address | None = None
    bootstrap: tuple[Address, ...] | None = None
    peers: tuple[Address, ...] = ()
    limits: RateLimits = field(default_factory=RateLimits)
    ip_filter: IpFilter | None = None
    ip_filter_file: Path | None = None
    local: bool | None = None
    allow_private: bool = False

    @classmethod
    def parse(
        cls,
        *,
        listen: str | None,
        bootstrap: Sequence[str] | None,
        no_dht: bool,
        peer: Sequence[str] | None = None,
        limit_down: str | None = None,
        limit_up: str | None = None,
        ip_filter: Path | None = None,
        local: bool | None = None,
        allow_private: bool = False,
    ) -> NetworkOptions:
        """The options as they were typed.

        Raises:
            typer.BadParameter: one of them makes no sense.
            CommandError, OSError: the list of addresses is none, or cannot be read.
        """
        return cls(
            listen=parse_listen(listen),
            bootstrap=parse_bootstrap(bootstrap, no_dht=no_dht),
            peers=tuple(parse_endpoint(text, option="--peer") for text in peer or ()),
            limits=RateLimits(
                download_bytes_per_s=parse_figure(parse_rate, limit_down, option="--limit-down"),
                upload_bytes_per_s=parse_figure(parse_rate, limit_up, option="--limit-up"),
            ),
            ip_filter=read_ip_filter(ip_filter) if ip_filter is not None else None,
            ip_filter_file=ip_filter,
            local=local,
            allow_private=allow_private,
        )

    @asynccontextmanager
    async def open(
        self,
        output: Output,
        *,
        download_dir: Path,
        config: SessionConfig,
        state_dir: Path | None = None,
        is_private: bool = False,
    ) -> AsyncIterator[Session]:
        """A session that keeps to these options, with a DHT node of its own unless all that it does is private.

        Raises:
            CommandError: its address cannot be bound, or there is no local network where one was asked for.
        """
        async with open_session(
            listen=self.listen,
            bootstrap=None if is_private else self.bootstrap,
            peers=self.peers,
            download_dir=download_dir,
            config=replace(config, allow_private=self.allow_private),
            state_dir=state_dir,
            ip_filter=self.ip_filter,
            local_discovery=self.local is not False,
        ) as (session, node):
            session.set_rate_limits(self.limits, counts_local=True)
            if self.local and session.local_discovery_error is not None:
                output.complain(session.local_discovery_error)
            if self.ip_filter is not None:
                output.say(f"{count_text(len(self.ip_filter), 'range')} of addresses blocked by {self.ip_filter_file}")
                if self.ip_filter.skipped_lines:
                    output.complain(_explain_skipped(self.ip_filter, self.ip_filter_file))
            output.event(
                "listening",
                address=session.address,
                dht_address=node.address if node is not None else None,
                blocked_ranges=len(self.ip_filter) if self.ip_filter is not None else 0,
                skipped_lines=self.ip_filter.skipped_lines if self.ip_filter is not None else 0,
            )
            warning = asyncio.create_task(_warn_without_dht(node, output), name="warn") if node is not None else None
            try:
                yield session
            finally:
                if warning is not None:
                    warning.cancel()


async def _warn_without_dht(node: MainlineNode, output: Output) -> None:
    """Says once that the DHT cannot be joined, unless that is the end of the command, which says it itself."""
    try:
        await node.wait_joined()
    except BootstrapError as error:
        await asyncio.sleep(WARN_AFTER_S)
        text = f"{error}; going on without the DHT, which is tried again"
        output.complain(text)
        output.event("warning", tracker=None, message=text)
    except NodeClosedError:
        pass


def _explain_skipped(blocked: IpFilter, path: Path | None) -> str:
    count = count_text(blocked.skipped_lines, "line")
    more = ", …" if blocked.skipped_lines > len(blocked.skipped) else ""
    return one_line(f"{path}: {count} made no sense: {', '.join(map(str, blocked.skipped))}{more}")


def read_ip_filter(path: Path) -> IpFilter:
    """The addresses on a list.

    Raises:
        CommandError: it is none.
        OSError: it cannot be read.
    """
    data = read_file(path, MAX_LIST_BYTES, may_be_pipe=True)
    try:
        return IpFilter.from_bytes(data)
    except IpFilterError as error:
        raise CommandError(f"{path} is no list of addresses: {error}") from None


def parse_figure(parse: Callable[[str], float], text: str | None, *, option: str) -> float | None:
    """What `parse` makes of an option that may be missing.

    Raises:
        typer.BadParameter: nothing.
    """
    try:
        return parse(text) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


WARN_AFTER_S = 3.0
MAX_LIST_BYTES = 256 << 20
