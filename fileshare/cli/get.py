"""`kad get`: download, verify, and share on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bittorrent import Encryption, SeedGoal
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
from fileshare.cli.options import (
    BootstrapOption,
    JsonOption,
    ListenOption,
    NoDhtOption,
    OverwriteOption,
    parse_selection,
)
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ProxyOption, ProxyPasswordFileOption
from fileshare.cli.runtime import run
from fileshare.cli.seed_options import RatioOption, SeedTimeOption, parse_goal

EXAMPLE = "Example: kad get ubuntu.torrent debian.torrent -o ~/Downloads --limit-down 2M"


@exits
def get(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help=".torrent files, their http(s) URLs, magnet links and info-hashes.",
            show_default=False,
        ),
    ],
    directory: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", file_okay=False, help="Where the files go; made when it is missing."
        ),
    ] = Path(),
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            metavar="FILES",
            help="Only these files: numbers such as 0,3-5, a path, a folder or a pattern such as '*.mkv'; may be"
            " repeated. Later runs remember it.",
        ),
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="From the first piece to the last, instead of the rarest first.")
    ] = False,
    overwrite: OverwriteOption = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Of a link to a torrent that changes (xs=urn:btpk:…), fetch each newer version as well, until"
            " interrupted.",
        ),
    ] = False,
    seed: Annotated[bool, typer.Option("--seed", help="Go on sharing when complete, until interrupted.")] = False,
    ratio: RatioOption = None,
    seed_time: SeedTimeOption = None,
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
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Without the DHT, wait for a first peer as long as it takes, instead of giving up after 45 s.",
        ),
    ] = False,
    as_json: JsonOption = False,
    give_up_after_s: Annotated[float, typer.Option("--give-up-after", hidden=True, min=0.1)] = 45.0,
) -> None:
    """Download what torrent files, magnet links and info-hashes stand for.

    Peers come from the DHT, from trackers, from the local network and from --peer; every piece is verified before it
    counts. Ctrl-C stops cleanly, and the same command continues later: what is on disk is checked and not downloaded
    again.

    Several SOURCEs come at the same time. When one of them fails, the others go on; the exit code is 1 then.
    """
    from bittorrent import SessionConfig  # here: the other commands start faster without it
    from fileshare.cli.downloads import Downloads

    if len(sources) > 1:
        for option, values in (("--select", select), ("--web-seed", web_seed)):
            if values:
                raise typer.BadParameter(
                    "it is about the files of one SOURCE; run kad get once for each", param_hint=option
                )
    goal = parse_goal(ratio, seed_time)
    job = Downloads(
        output=Output(as_json=as_json),
        labels=list(dict.fromkeys(sources)),
        directory=directory,
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
        select=parse_selection(select),
        sequential=sequential,
        overwrite=overwrite,
        follow=follow,
        web_seeds=tuple(web_seed or ()),
        goal=goal if seed or goal != SeedGoal() else None,
        config=SessionConfig(no_peers_timeout_s=None if wait else give_up_after_s),
    )
    try:
        run(job.run())
    except InterruptedByUserError:
        job.report_interruption()
    job.check()
