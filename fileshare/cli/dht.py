"""`kad dht`: be a node of the Kademlia network, or ask it who shares something."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from bittorrent.errors import MagnetError
from bittorrent.metainfo.magnet import Magnet, parse_info_hash
from fileshare.cli.errors import InterruptedByUserError, exits
from fileshare.cli.network import default_host, open_node
from fileshare.cli.options import BootstrapOption, JsonOption, ListenOption, is_magnet, parse_bootstrap, parse_listen
from fileshare.cli.output import Output
from fileshare.cli.runtime import run
from fileshare.cli.units import count_text, size_text
from kademlia_core.aio.mainline import MainlineNode
from kademlia_core.mainline.core import MainlineStats
from transfer.address import Address

app = typer.Typer(
    no_args_is_help=True, help="Be part of the DHT, the network that knows who shares what.", rich_markup_mode=None
)


@app.command(
    "node",
    short_help="Run a node until interrupted.",
    epilog="Example: kad dht node --listen 127.0.0.1:6900 --bootstrap none",
)
@exits
def node(listen: ListenOption = None, bootstrap: BootstrapOption = None, as_json: JsonOption = False) -> None:
    """Run a node of the DHT until interrupted. It answers everybody, so others can use it as their --bootstrap; with
    '--bootstrap none' it is the first node of a network of your own.
    """
    output = Output(as_json=as_json)
    address, entries = parse_listen(listen), parse_bootstrap(bootstrap)
    assert entries is not None
    started_at = time.monotonic()
    last: list[MainlineStats] = []
    try:
        run(_serve(output, address, entries, last))
    except InterruptedByUserError:
        output.say("stopped")
        output.event("done", seconds=time.monotonic() - started_at, statistics=last[-1] if last else None)


@app.command(
    "find-peers",
    short_help="Ask who shares a torrent.",
    epilog="Example: kad dht find-peers 08ada5a7a6183aae1e09d831df6748d566095a10",
)
@exits
def find_peers(
    info_hash: Annotated[
        str, typer.Argument(metavar="INFO_HASH", help="40 hexadecimal or 32 base32 characters, or a magnet link.")
    ],
    bootstrap: BootstrapOption = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="UDP address to ask from. Default: any free port."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the DHT who shares a torrent, and print each peer as it is found. Exit code 1 when nobody does."""
    output = Output(as_json=as_json)
    target = _target(info_hash)
    entries = parse_bootstrap(bootstrap)
    assert entries is not None
    if not entries:
        raise typer.BadParameter("a network of one's own has nobody to ask; name a node", param_hint="--bootstrap")
    run(_ask(output, target, entries, parse_listen(listen) or Address(default_host(entries), 0)))


async def _serve(
    output: Output, listen: Address | None, bootstrap: tuple[Address, ...], last: list[MainlineStats]
) -> None:
    async with open_node(listen=listen, bootstrap=bootstrap) as node:
        output.say(f"listening on {node.address} (UDP), node id {node.node_id.hex()}; stop with Ctrl-C")
        output.event("listening", address=node.address, node_id=node.node_id.hex())
        await node.wait_joined()
        output.say("a network of its own: waiting for others" if not bootstrap else "joined the network")
        output.event("joined", nodes=node.statistics().nodes)
        try:
            await _report(output, node)
        finally:
            last.append(node.statistics())


async def _report(output: Output, node: MainlineNode) -> None:
    interval_s = EVENT_INTERVAL_S if output.as_json else LINE_INTERVAL_S
    reported, shown = node.statistics(), ""
    while True:
        await asyncio.sleep(interval_s)
        stats = node.statistics()
        if stats != reported:
            output.event("progress", statistics=stats)
            reported = stats
        line = (
            f"{count_text(stats.nodes, 'node')} known ({stats.good_nodes} good), "
            f"{count_text(stats.stored_peers, 'peer')} stored for {count_text(stats.stored_torrents, 'torrent')}, "
            f"{stats.queries_received} queries received, {stats.queries_sent} sent, "
            f"{size_text(stats.received_bytes)} in, {size_text(stats.sent_bytes)} out"
        )
        if line != shown:
            output.say(line)
            shown = line


async def _ask(output: Output, target: bytes, bootstrap: tuple[Address, ...], listen: Address) -> None:
    started_at = time.monotonic()
    found = 0
    async with open_node(listen=listen, bootstrap=bootstrap) as node:
        output.event("listening", address=node.address, node_id=node.node_id.hex())
        async with node.find_peers(target) as lookup:
            async for peer in lookup:
                found += 1
                output.say(str(peer))
                output.event("peer", address=peer)
            stats = lookup.statistics()
    seconds = time.monotonic() - started_at
    output.event("done", info_hash=target, peers=found, seconds=seconds, lookup=stats)
    cost = f"{count_text(stats.hops, 'hop')}, {stats.queries} queries, {stats.responses} answers"
    if not found:
        output.complain(f"nobody shares {target.hex()} ({cost}); check the info-hash, or try again later")
        raise typer.Exit(1)
    output.say(f"{count_text(found, 'peer')} in {seconds:.1f} s: {cost}")


def _target(text: str) -> bytes:
    try:
        return Magnet.parse(text).info_hash if is_magnet(text) else parse_info_hash(text.strip())
    except MagnetError as error:
        raise typer.BadParameter(str(error), param_hint="INFO_HASH") from None


EVENT_INTERVAL_S = 1.0
LINE_INTERVAL_S = 10.0
