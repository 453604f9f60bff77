"""`kad dht`: be a node of the Kademlia network, or ask it which peers share something."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fileshare.cli import dht_items, dht_nodes, dht_survey
from fileshare.cli.dht_ask import AskFromOption, Entrance, InfoHashArgument, asking_node, parse_target
from fileshare.cli.errors import InterruptedByUserError, exits
from fileshare.cli.options import BootstrapOption, JsonOption, ListenOption, parse_bootstrap, parse_listen
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ImpossibleProxyOption, ProxyOption, refuse_proxy
from fileshare.cli.runtime import run
from fileshare.cli.units import count_text, size_text
from kademlia_core import BootstrapError
from transfer import Address

if TYPE_CHECKING:
    from kademlia_core import MainlineNode, MainlineStats

app = typer.Typer(
    no_args_is_help=True, help="Be part of the DHT, the network that knows who shares what.", rich_markup_mode=None
)


@app.command(
    "node",
    short_help="Run a node until interrupted.",
    epilog="Example: kad dht node --listen 127.0.0.1:6900 --bootstrap none",
)
@exits
def node(
    listen: ListenOption = None,
    bootstrap: BootstrapOption = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="FILE", help="Keep the node's id and whom it knows there, from one run to the next."
        ),
    ] = None,
    proxy: ImpossibleProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a node of the DHT until interrupted.

    It answers everybody, so others can use it as their --bootstrap; with '--bootstrap none' it is the first node of a
    network of your own. While no bootstrap node answers, it asks again.
    """
    refuse_proxy(
        proxy, why="a node is there to be asked, and nobody can call through a proxy; the other commands can ask"
    )
    output = Output(as_json=as_json)
    address, entries = parse_listen(listen), parse_bootstrap(bootstrap)
    assert entries is not None
    started_at = time.monotonic()
    last: list[MainlineStats] = []
    try:
        run(_serve(output, address, entries, state, last))
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
    info_hash: InfoHashArgument,
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the DHT who shares a torrent, and print each peer as it is found. Exit code 1 when nobody does."""
    output = Output(as_json=as_json)
    run(_ask(output, parse_target(info_hash, hint="INFO_HASH"), Entrance(bootstrap, listen, proxy)))


async def _serve(
    output: Output,
    listen: Address | None,
    bootstrap: tuple[Address, ...],
    state: Path | None,
    last: list[MainlineStats],
) -> None:
    from fileshare.service.network import open_node  # here: the other commands start faster without it

    async with open_node(listen=listen, bootstrap=bootstrap, state_file=state) as node:
        output.say(f"listening on {node.address} (UDP), node id {node.node_id.hex()}; stop with Ctrl-C")
        output.event("listening", address=node.address, node_id=node.node_id.hex())
        try:
            await _join(output, node)
            output.say("a network of its own: waiting for others" if not bootstrap else "joined the network")
            output.event("joined", nodes=node.statistics().nodes)
            await _report(output, node)
        finally:
            last.append(node.statistics())


async def _join(output: Output, node: MainlineNode) -> None:
    """Waits until the node is in a network, however long that takes: the nodes of a network start in any order."""
    has_warned = False
    while True:
        try:
            return await node.wait_joined()
        except BootstrapError as error:
            if not has_warned:
                has_warned = True
                text = f"{error}; it is tried again, and others may call this node meanwhile"
                output.complain(text)
                output.event("warning", tracker=None, message=text)
            await asyncio.sleep(JOIN_CHECK_S)


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


async def _ask(output: Output, target: bytes, entrance: Entrance) -> None:
    started_at = time.monotonic()
    found = 0
    async with asking_node(output, entrance) as node, node.find_peers(target) as lookup:
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


app.command("ping", short_help="Ask a node who it is.", epilog="Example: kad dht ping 127.0.0.1:6900")(dht_nodes.ping)
app.command(
    "find-node",
    short_help="Find the nodes closest to a key.",
    epilog="Example: kad dht find-node 08ada5a7a6183aae1e09d831df6748d566095a10",
)(dht_nodes.find_node)
app.command(
    "announce",
    short_help="Say that a torrent is shared here.",
    epilog="Example: kad dht announce 08ada5a7a6183aae1e09d831df6748d566095a10 --port 6881",
)(dht_nodes.announce)
app.command(
    "get",
    short_help="Fetch a stored value.",
    epilog="Example: kad dht get e5f96f6f38320f0f33959cb4d3d656452117aadb",
)(dht_items.get)
app.command("put", short_help="Store a value.", epilog="Example: kad dht put 'Hello World!'")(dht_items.put)
app.command(
    "follow",
    short_help="Watch a value that changes.",
    epilog="Example: kad dht follow 77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548 --salt news",
)(dht_items.follow)
app.command(
    "scrape",
    short_help="Estimate how many share a torrent.",
    epilog="Example: kad dht scrape 08ada5a7a6183aae1e09d831df6748d566095a10",
)(dht_survey.scrape)
app.command("sample", short_help="See what torrents nodes know.", epilog="Example: kad dht sample --limit 20")(
    dht_survey.sample
)

JOIN_CHECK_S = 1.0
EVENT_INTERVAL_S = 1.0
LINE_INTERVAL_S = 10.0
