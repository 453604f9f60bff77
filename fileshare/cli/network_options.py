"""The options by which commands reach others, which they have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittorrent import Encryption, RateLimits
from fileshare.cli.options import parse_bootstrap, parse_endpoint, parse_listen
from fileshare.cli.proxy_options import parse_proxy
from fileshare.cli.units import parse_rate
from transfer import LOOPBACK, Address, CongestionControlError, Networks, check_congestion_control, is_ip_address

if TYPE_CHECKING:
    from fileshare.service import NetworkOptions

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

EncryptionOption = Annotated[
    Encryption,
    typer.Option(
        "--encryption",
        help="Hide from networks on the way that this is BitTorrent (MSE). off: never; plaintext: when a peer insists;"
        " encrypted: wherever a peer can do it; required: with no other peers. It keeps nothing secret.",
    ),
]
TcpCongestionOption = Annotated[
    str | None,
    typer.Option(
        "--tcp-congestion",
        metavar="NAME",
        help="Which of the kernel's congestion controls sends over TCP, such as bbr or cubic; a wrong name lists those"
        " there are. Default: the system's choice.",
    ),
]
UtpOption = Annotated[
    bool,
    typer.Option(
        "--utp/--no-utp",
        help="Call peers over uTP (BEP 29) as well when they do not answer over TCP, and take such calls, which is the"
        " default.",
    ),
]
PortMappingOption = Annotated[
    bool | None,
    typer.Option(
        "--port-mapping/--no-port-mapping",
        help="Ask the router to let peers in (PCP, NAT-PMP or UPnP) as long as this runs. Default: yes, unless --listen"
        " names an address of this machine alone.",
    ),
]
AllowPrivateOption = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        help="Call private addresses and this machine, too, when a torrent, a magnet link, a server or a peer names"
        " them. What you name yourself is always called.",
    ),
]

MaxConnectionsOption = Annotated[
    int | None,
    typer.Option(
        "--max-connections",
        metavar="N",
        min=1,
        help="Connections with peers of all torrents together, both directions; by default up to 1024 that come and"
        " 512 that are called, or fewer on a small machine.",
    ),
]
ExemptOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exempt",
        metavar="NETWORK",
        help="Any number of connections with this address or network, such as 192.168.0.0/16; may be repeated. This"
        " machine is exempt as well, unless 'none' stands alone.",
    ),
]


ProxyOnlyOption = Annotated[
    bool,
    typer.Option(
        "--proxy-only/--no-proxy-only",
        help="With --proxy, let nothing around it, which is the default: do not listen, do without the local network,"
        " and without the DHT, uTP and UDP trackers where the proxy cannot carry them. --no-proxy-only: only calls to"
        " peers over TCP, HTTP trackers and web seeds go through it.",
    ),
]


def parse_network_options(
    *,
    listen: str | None,
    bootstrap: Sequence[str] | None,
    no_dht: bool,
    peer: Sequence[str] | None = None,
    limit_down: str | None = None,
    limit_up: str | None = None,
    ip_filter: Path | None = None,
    local: bool | None = None,
    port_mapping: bool | None = None,
    allow_private: bool = False,
    encryption: Encryption = Encryption.PLAINTEXT,
    tcp_congestion: str | None = None,
    utp: bool = True,
    max_connections: int | None = None,
    exempt: Sequence[str] | None = None,
    proxy: str | None = None,
    proxy_password_file: Path | None = None,
    proxy_only: bool = True,
) -> NetworkOptions:
    """The options as they were typed.

    Raises:
        typer.BadParameter: one of them makes no sense.
        ServiceError, OSError: the list of addresses is none, or cannot be read.
    """
    from fileshare.service.network_options import NetworkOptions, read_ip_filter  # here: commands start faster so

    peers = tuple(parse_endpoint(text, option="--peer") for text in peer or ())
    chosen = parse_proxy(proxy, proxy_password_file)
    if chosen is not None and proxy_only:
        _check_sealed(listen, peers, asks_locally=bool(local) or bool(port_mapping))
    return NetworkOptions(
        listen=parse_listen(listen),
        bootstrap=parse_bootstrap(bootstrap, no_dht=no_dht),
        peers=peers,
        limits=RateLimits(
            download_bytes_per_s=parse_figure(parse_rate, limit_down, option="--limit-down"),
            upload_bytes_per_s=parse_figure(parse_rate, limit_up, option="--limit-up"),
        ),
        ip_filter=read_ip_filter(ip_filter) if ip_filter is not None else None,
        ip_filter_file=ip_filter,
        local=local,
        port_mapping=port_mapping,
        allow_private=allow_private,
        encryption=encryption,
        tcp_congestion=_checked_congestion(tcp_congestion),
        utp=utp,
        max_connections=max_connections,
        exempt=parse_exempt(exempt),
        proxy=chosen,
        proxy_only=proxy_only,
    )


def _check_sealed(listen: str | None, peers: Sequence[Address], *, asks_locally: bool) -> None:
    """What cannot be had when nothing goes around the proxy.

    Raises:
        typer.BadParameter: one of the options asks for it.
    """
    if listen is not None:
        raise typer.BadParameter(f"nobody can call through a proxy; {_GO_AROUND}", param_hint="--listen")
    if asks_locally:
        text = f"the local network and its router are not behind the proxy; {_GO_AROUND}"
        raise typer.BadParameter(text, param_hint="--local and --port-mapping")
    for peer in peers:
        if not is_ip_address(peer.host):
            text = f"{peer.host} would have to be looked up beside the proxy; write its IP address"
            raise typer.BadParameter(text, param_hint="--peer")


_GO_AROUND = "--no-proxy-only allows to go around it"


def _checked_congestion(name: str | None) -> str | None:
    """Before a socket is bound or a file is looked at.

    Raises:
        typer.BadParameter: the system's TCP does not have it.
    """
    if name is not None:
        try:
            check_congestion_control(name)
        except CongestionControlError as error:
            raise typer.BadParameter(str(error), param_hint="--tcp-congestion") from None
    return name


def parse_exempt(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    """Addresses and networks, and this machine; nothing for "none"; None where nothing was typed.

    Raises:
        typer.BadParameter: one of them is neither, or "none" does not stand alone.
    """
    if not texts:
        return None
    if "none" in texts:
        if len(texts) > 1:
            raise typer.BadParameter("'none' stands alone", param_hint="--exempt")
        return ()
    try:
        Networks(texts)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--exempt") from None
    return (*LOOPBACK, *texts)


def parse_figure(parse: Callable[[str], float], text: str | None, *, option: str) -> float | None:
    """What `parse` makes of an option that may be missing.

    Raises:
        typer.BadParameter: nothing.
    """
    try:
        return parse(text) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
