"""`kad stream`: watch or read a file while it is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bittorrent import Encryption
from fileshare.cli.errors import InterruptedByUserError, exits
from fileshare.cli.network_options import (
    AllowPrivateOption,
    EncryptionOption,
    ExemptOption,
    IpFilterOption,
    LimitDownOption,
    LimitUpOption,
    LocalOption,
    MaxConnectionsOption,
    PeerOption,
    PortMappingOption,
    ProxyOnlyOption,
    TcpCongestionOption,
    UtpOption,
    WebSeedOption,
    parse_network_options,
)
from fileshare.cli.options import BootstrapOption, JsonOption, ListenOption, NoDhtOption, OverwriteOption, parse_listen
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ProxyOption, ProxyPasswordFileOption
from fileshare.cli.runtime import run

EXAMPLE = "Example: kad stream film.torrent --file film.mkv -o ~/Downloads"


@exits
def stream(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A .torrent file, its http(s) URL, a magnet link or an info-hash.")
    ],
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="NAME", help="Number, path or pattern ('*.mkv'). Default: the largest."),
    ] = None,
    directory: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", file_okay=False, help="Where the files go; made when it is missing."
        ),
    ] = Path(),
    http: Annotated[
        str,
        typer.Option("--http", metavar="HOST:PORT", help="Where the player connects; port 0 takes a free one."),
    ] = "127.0.0.1:0",
    overwrite: OverwriteOption = False,
    limit_down: LimitDownOption = None,
    limit_up: LimitUpOption = None,
    peer: PeerOption = None,
    web_seed: WebSeedOption = None,
    bootstrap: BootstrapOption = None,
    no_dht: NoDhtOption = False,
    local: LocalOption = None,
    port_mapping: PortMappingOption = None,
    ip_filter: IpFilterOption = None,
    allow_private: AllowPrivateOption = False,
    encryption: EncryptionOption = Encryption.PLAINTEXT,
    tcp_congestion: TcpCongestionOption = None,
    utp: UtpOption = True,
    max_connections: MaxConnectionsOption = None,
    exempt: ExemptOption = None,
    proxy: ProxyOption = None,
    proxy_password_file: ProxyPasswordFileOption = None,
    proxy_only: ProxyOnlyOption = True,
    listen: ListenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve one file of a torrent over HTTP while it is downloaded.

    Open the printed address in a media player or a browser: what is played next is fetched first, wherever you jump to,
    and every byte is verified before it is shown. Ctrl-C stops; what was fetched stays in DIR, and the same command
    continues with it.
    """
    from fileshare.cli.streaming import Streaming  # here: the other commands start faster without it

    address = parse_listen(http, option="--http")
    assert address is not None
    job = Streaming(
        output=Output(as_json=as_json),
        label=source,
        network=parse_network_options(
            listen=listen,
            bootstrap=bootstrap,
            no_dht=no_dht,
            peer=peer,
            limit_down=limit_down,
            limit_up=limit_up,
            ip_filter=ip_filter,
            local=local,
            port_mapping=port_mapping,
            allow_private=allow_private,
            encryption=encryption,
            tcp_congestion=tcp_congestion,
            utp=utp,
            max_connections=max_connections,
            exempt=exempt,
            proxy=proxy,
            proxy_password_file=proxy_password_file,
            proxy_only=proxy_only,
        ),
        file=file,
        directory=directory,
        overwrite=overwrite,
        http=address,
        web_seeds=tuple(web_seed or ()),
    )
    try:
        run(job.run())
    except InterruptedByUserError:
        job.report_end()
