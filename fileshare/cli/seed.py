"""`kad seed`: share what is on disk already."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bittorrent import ChokerConfig, Encryption, SeedingPolicy
from fileshare.cli.errors import InterruptedByUserError, exits
from fileshare.cli.network_options import (
    AllowPrivateOption,
    EncryptionOption,
    ExemptOption,
    IpFilterOption,
    LimitUpOption,
    LocalOption,
    MaxConnectionsOption,
    PortMappingOption,
    ProxyOnlyOption,
    TcpCongestionOption,
    UtpOption,
    parse_network_options,
)
from fileshare.cli.options import BootstrapOption, JsonOption, ListenOption, NoDhtOption
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ProxyOption, ProxyPasswordFileOption
from fileshare.cli.runtime import run
from fileshare.cli.seed_options import RatioOption, SeedTimeOption, parse_goal

EXAMPLE = "Example: kad seed ~/torrents --limit-up 1M --ratio 2"


class Policy(StrEnum):
    """Names of seeding policies, as they are typed."""

    ROUND_ROBIN = "round-robin"
    FASTEST = "fastest"
    ANTI_LEECH = "anti-leech"


@exits
def seed(
    torrents: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help=".torrent files, directories that hold such files, http(s) URLs of torrents, and magnet links or"
            " info-hashes that `kad get` has downloaded.",
            show_default=False,
        ),
    ],
    directory: Annotated[
        Path | None,
        typer.Option(
            "-d",
            "--dir",
            metavar="DIR",
            help="Where the torrents' files or folders are.",
            show_default="beside each .torrent file; for links the current directory",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="DIR",
            file_okay=False,
            help="Remember there what was verified: the next start believes it as long as the files have the same size"
            " and time.",
        ),
    ] = None,
    ratio: RatioOption = None,
    seed_time: SeedTimeOption = None,
    limit_up: LimitUpOption = None,
    upload_slots: Annotated[
        int, typer.Option("--upload-slots", metavar="N", min=1, max=1000, help="How many peers are served at a time.")
    ] = ChokerConfig().slots,
    policy: Annotated[
        Policy,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="Whom to serve when more ask than there are slots: round-robin (all in turn), fastest (those who take"
            " most), anti-leech (those who have just begun or are nearly done).",
        ),
    ] = Policy.ROUND_ROBIN,
    super_seed: Annotated[
        bool,
        typer.Option("--super-seed", help="For the only seed of a torrent: no piece twice before each was sent once."),
    ] = False,
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
    """Share complete downloads until interrupted.

    Everything on disk is verified first and nothing of it is ever changed; then the DHT, the torrents' trackers and the
    local network learn that it can be had here.

    Of a directory, every .torrent file in it is shared whose content is there, too. It is looked at again every few
    seconds: what is added is shared as well, and what is removed no longer.
    """
    from bittorrent import SessionConfig, SwarmConfig  # here: the other commands start faster without it
    from fileshare.cli.seeding import Seeding

    job = Seeding(
        output=Output(as_json=as_json),
        names=list(dict.fromkeys(torrents)),
        directory=directory,
        state_dir=state,
        network=parse_network_options(
            listen=listen,
            bootstrap=bootstrap,
            no_dht=no_dht,
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
        super_seed=super_seed,
        goal=parse_goal(ratio, seed_time),
        config=SessionConfig(swarm=SwarmConfig(choker=_choker(upload_slots, policy))),
    )
    try:
        run(job.run())
    except InterruptedByUserError:
        job.report_end()
    job.check()


def _choker(slots: int, policy: Policy) -> ChokerConfig:
    return ChokerConfig(
        slots=slots,
        optimistic_slots=min(ChokerConfig().optimistic_slots, slots - 1),
        seeding_policy={
            Policy.ROUND_ROBIN: SeedingPolicy.ROUND_ROBIN,
            Policy.FASTEST: SeedingPolicy.FASTEST_UPLOAD,
            Policy.ANTI_LEECH: SeedingPolicy.ANTI_LEECH,
        }[policy],
    )
