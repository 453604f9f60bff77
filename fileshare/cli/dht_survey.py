"""`kad dht scrape | sample`: how many share a torrent (BEP 33), and which torrents there are (BEP 51)."""

from __future__ import annotations

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
from kademlia_core import InfoHashSample
from transfer import Address


@exits
def scrape(
    info_hash: InfoHashArgument,
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate how many share a torrent, without meeting them. Exit code 1 when no node knows the torrent."""
    run(_scrape(Output(as_json=as_json), parse_target(info_hash, hint="INFO_HASH"), Entrance(bootstrap, listen, proxy)))


@exits
def sample(
    node: Annotated[
        str | None, typer.Argument(metavar="[HOST:PORT]", help="Ask this node only. Default: one after the other.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Stop after so many info-hashes.")] = 100,
    bootstrap: BootstrapOption = None,
    listen: AskFromOption = None,
    proxy: ProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print info-hashes that nodes keep peers of, at a pace that burdens nobody."""
    address = parse_endpoint(node, option="HOST:PORT") if node is not None else None
    run(_sample(Output(as_json=as_json), address, limit, Entrance(bootstrap, listen, proxy)))


async def _scrape(output: Output, info_hash: bytes, entrance: Entrance) -> None:
    started_at = time.monotonic()
    async with asking_node(output, entrance) as node:
        report = await node.scrape(info_hash)
    output.event(
        "done",
        info_hash=info_hash,
        seeds=report.seeds,
        downloaders=report.downloaders,
        counted_by=report.counted_by,
        seconds=time.monotonic() - started_at,
    )
    if not report.counted_by:
        raise CommandError(f"no node knows {info_hash.hex()}; check the info-hash, or try again later")
    output.say(
        f"about {report.seeds:.0f} seeds and {report.downloaders:.0f} downloaders, by"
        f" {count_text(report.counted_by, 'node')}"
    )


async def _sample(output: Output, address: Address | None, limit: int, entrance: Entrance) -> None:
    printed: dict[str, None] = {}
    if address is not None:
        async with asking_node(output, entrance.to_nobody(), must_join=False) as node:
            answer = await node.sample(address)
        if answer is None:
            raise CommandError(f"{address} does not tell which torrents it knows; ask another node")
        _print_new(output, address, answer, printed, limit)
    else:
        async with asking_node(output, entrance) as node, node.walk_samples() as walk:
            async for found in walk:
                _print_new(output, found.node.address, found.sample, printed, limit)
                if len(printed) >= limit:
                    break
    output.event("done", info_hashes=len(printed))


def _print_new(output: Output, source: Address, answer: InfoHashSample, printed: dict[str, None], limit: int) -> None:
    for key in answer.info_hashes:
        info_hash = key.hex()
        if info_hash not in printed and len(printed) < limit:
            printed[info_hash] = None
            output.say(info_hash)
            output.event("info_hash", info_hash=info_hash, node=source)
