"""`kad dht ping | find-node | announce`: about nodes, and for the peers of a torrent."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from fileshare.cli.dht_ask import AskFromOption, Entrance, InfoHashArgument, asking_node, parse_target
from fileshare.cli.errors import CommandError, exits
from fileshare.cli.options import BootstrapOption, JsonOption, parse_endpoint
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ProxyOption
from fileshare.cli.runtime import run
from fileshare.cli.units import count_text
from kademlia_core import AnnounceReport
from transfer import Address

PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="TCP and uTP port that peers will call.")]


@exits
def ping(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where the node is said to be.")],
    count: Annotated[int, typer.Option("--count", min=1, metavar="N", help="How often.")] = 1,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a node who it is, and how far away. Exit code 1 when it never answers."""
    output = Output(as_json=as_json)
    run(_ping(output, parse_endpoint(address, option="HOST:PORT"), count, Entrance(None, listen, proxy)))


@exits
def find_node(
    target: Annotated[str, typer.Argument(metavar="ID", help="40 hexadecimal characters: a node id or any key.")],
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the nodes whose ids are closest to a key, closest first."""
    output = Output(as_json=as_json)
    run(_find_node(output, parse_target(target, hint="ID"), Entrance(bootstrap, listen, proxy)))


@exits
def announce(
    info_hash: InfoHashArgument,
    port: PortOption,
    seed: Annotated[bool, typer.Option("--seed", help="Say that nothing is missing here (BEP 33).")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Announce again every 15 minutes, until interrupted: nodes forget.")
    ] = False,
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the DHT that this machine shares a torrent. Exit code 1 when no node keeps it."""
    output = Output(as_json=as_json)
    run(
        _announce(
            output, parse_target(info_hash, hint="INFO_HASH"), port, seed, keep, Entrance(bootstrap, listen, proxy)
        )
    )


async def _ping(output: Output, address: Address, count: int, entrance: Entrance) -> None:
    async with asking_node(output, entrance.to_nobody(), must_join=False) as node:
        for number in range(count):
            if number:
                await asyncio.sleep(PING_INTERVAL_S)
            started_at = time.monotonic()
            contact = await node.ping(address)
            rtt_s = time.monotonic() - started_at
            output.say(f"{contact.key.hex()} at {contact.address}: {1000 * rtt_s:.1f} ms")
            output.event("answered", node_id=contact.key.hex(), address=contact.address, seconds=rtt_s)


async def _find_node(output: Output, target: bytes, entrance: Entrance) -> None:
    started_at = time.monotonic()
    async with asking_node(output, entrance) as node:
        contacts = await node.find_node(target)
    for contact in contacts:
        output.say(f"{contact.key.hex()}  {contact.address}")
        output.event("node", node_id=contact.key.hex(), address=contact.address)
    seconds = time.monotonic() - started_at
    output.event("done", target=target, nodes=len(contacts), seconds=seconds)
    if not contacts:
        raise CommandError(f"no node near {target.hex()} answered; try again, or name another --bootstrap node")
    output.say(f"{count_text(len(contacts), 'node')} in {seconds:.1f} s")


async def _announce(output: Output, info_hash: bytes, port: int, seed: bool, keep: bool, entrance: Entrance) -> None:
    async with asking_node(output, entrance) as node:
        if not keep:
            _tell(output, info_hash, port, await node.announce(info_hash, port=port, seed=seed))
            return
        async with node.keep_announced(info_hash, port=port, seed=seed) as keeper:
            _tell(output, info_hash, port, await keeper.wait_report())
            await asyncio.get_running_loop().create_future()  # until interrupted


def _tell(output: Output, info_hash: bytes, port: int, report: AnnounceReport) -> None:
    kept_by = [contact.address for contact in report.accepted_by]
    output.event("announced", info_hash=info_hash, port=port, kept_by=kept_by, peers=report.peers)
    if not kept_by:
        raise CommandError(f"no node took the announce of {info_hash.hex()}; try again later")
    output.say(
        f"{count_text(len(kept_by), 'node')} will say that {info_hash.hex()} is here on port {port};"
        f" {count_text(len(report.peers), 'peer')} met"
    )


PING_INTERVAL_S = 1.0
