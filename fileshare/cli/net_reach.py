"""`kad net reach`: can others reach this machine, and if not, why not?"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fileshare.cli.errors import exits
from fileshare.cli.mapping import mapping_fields, mapping_text
from fileshare.cli.network_options import PortMappingOption, parse_network_options
from fileshare.cli.options import BootstrapOption, JsonOption, ListenOption, NoDhtOption
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ImpossibleProxyOption, refuse_proxy
from fileshare.cli.runtime import run
from fileshare.text import one_line
from kademlia_core import BootstrapError

if TYPE_CHECKING:
    from bittorrent import ReachabilityStats, Session
    from fileshare.service import NetworkOptions
    from fileshare.service.reach import ReachReport
    from kademlia_core import MainlineNode

EXAMPLE = "Example: kad net reach --listen 0.0.0.0:6881 --wait 120"


@exits
def reach(
    listen: ListenOption = None,
    bootstrap: BootstrapOption = None,
    no_dht: NoDhtOption = False,
    port_mapping: PortMappingOption = None,
    wait_s: Annotated[
        float,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=1,
            max=3600,
            help="How long strangers have to show up; ends early if they do.",
        ),
    ] = 30.0,
    proxy: ImpossibleProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether others can reach this machine, and why not.

    Opens the ports that a download would use, asks the router to let others in, joins the DHT, and looks who comes: a
    query from a node that was never spoken to shows that strangers get through. All is given back at the end.
    """
    refuse_proxy(proxy, why="nobody can call through a proxy, and the router is asked beside it; look without one")
    options = parse_network_options(listen=listen, bootstrap=bootstrap, no_dht=no_dht, port_mapping=port_mapping)
    run(_reach(Output(as_json=as_json), options, wait_s))


async def _reach(output: Output, options: NetworkOptions, wait_s: float) -> None:
    from bittorrent import SessionConfig  # here: the other commands start faster without it
    from fileshare.service.reach import judge

    with tempfile.TemporaryDirectory(prefix="kad-reach-") as directory:
        opened = options.open(download_dir=Path(directory), config=SessionConfig(), state_dir=None, uses_dht=True)
        async with opened as (session, node):
            output.say(f"listening on {session.address}, TCP and UDP")
            output.event("listening", address=session.address, dht_address=node.address if node is not None else None)
            dht_error = await _look(session, node, wants_mapping=options.wants_mapping, wait_s=wait_s)
            stats = session.reachability()
            nodes = node.statistics().good_nodes if node is not None else None
            report = judge(stats, dht_nodes=nodes, dht_error=dht_error)
            _show(output, stats, report, options, dht_nodes=nodes, dht_error=dht_error)


async def _look(session: Session, node: MainlineNode | None, *, wants_mapping: bool, wait_s: float) -> str | None:
    """Until all is known that can be, or the time is over. Returns why the DHT could not be joined, if it could not."""
    dht_error: str | None = None
    try:
        async with asyncio.timeout(wait_s):
            if wants_mapping:
                await session.wait_port_mapping()
            if node is None:
                return None
            try:
                await node.wait_joined()
            except BootstrapError as error:
                return str(error)
            while not (  # noqa: ASYNC110
                node.statistics().queries_unsolicited or session.reachability().callers
            ):
                await asyncio.sleep(LOOK_S)  # strangers come whenever they like
    except TimeoutError:
        if node is not None and not node.statistics().good_nodes:
            dht_error = "the DHT did not answer in time"
    return dht_error


def _show(
    output: Output,
    stats: ReachabilityStats,
    report: ReachReport,
    options: NetworkOptions,
    *,
    dht_nodes: int | None,
    dht_error: str | None,
) -> None:
    from fileshare.service.reach import Verdict

    say = output.say
    if stats.local_host is not None and stats.local_host != stats.listen.host:
        say(f"this machine is {stats.local_host} in its network")
    if stats.mapping is not None:
        say(one_line(mapping_text(stats.mapping)))
    elif report.verdict is not Verdict.LOCAL:
        say("the router was not asked to let others in")
    for who, votes in (("DHT nodes", stats.dht_seen_as), ("peers and trackers", stats.seen_as)):
        for host, networks in votes[:MAX_SHOWN]:
            say(f"{who} in {networks} {'network' if networks == 1 else 'networks'} see it at {host}")
    if options.bootstrap is None:
        say("the DHT was not asked")
    say("")
    say(f"{report.text}:" if report.reasons else report.text)
    for reason in report.reasons:
        say(f"  - {one_line(reason)}")
    for advice in report.advice:
        say(f"next: {advice}")
    output.event(
        "reach",
        reachable=report.verdict,
        text=report.text,
        reasons=report.reasons,
        advice=report.advice,
        listen=stats.listen,
        local_host=stats.local_host,
        port=stats.port,
        mapping=mapping_fields(stats.mapping) if stats.mapping is not None else None,
        external_host=stats.external_host,
        seen_as=dict(stats.seen_as),
        dht_seen_as=dict(stats.dht_seen_as),
        dht_nodes=dht_nodes,
        dht_error=dht_error,
        dht_unsolicited=stats.dht_unsolicited,
        callers=stats.callers,
        local_callers=stats.local_callers,
    )


LOOK_S = 0.25
MAX_SHOWN = 3
