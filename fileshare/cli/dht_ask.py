"""What the asking commands of `kad dht` share: a node that only asks, and how keys and addresses are written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from bittorrent import Magnet, MagnetError, parse_torrent_id
from fileshare.cli.options import parse_bootstrap, parse_listen
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import parse_proxy
from fileshare.service.sources import is_magnet
from transfer import Address

if TYPE_CHECKING:
    from kademlia_core import MainlineNode

AskFromOption = Annotated[
    str | None,
    typer.Option("--listen", metavar="HOST:PORT", help="UDP address to ask from. Default: any free port."),
]
InfoHashArgument = Annotated[
    str, typer.Argument(metavar="INFO_HASH", help="40 hexadecimal or 32 base32 characters, or a magnet link.")
]


@dataclass(frozen=True, slots=True)
class Entrance:
    """How the DHT is entered to ask it, as it was typed."""

    bootstrap: list[str] | None
    listen: str | None
    proxy: str | None

    def to_nobody(self) -> Entrance:
        """Only the node that is named is asked."""
        return replace(self, bootstrap=["none"])


@asynccontextmanager
async def asking_node(output: Output, entrance: Entrance, *, must_join: bool = True) -> AsyncIterator[MainlineNode]:
    """A node that asks, but does not answer and enters no table (BEP 43): it is gone in a moment.

    Raises:
        typer.BadParameter: the options make no sense.
        CommandError: its address cannot be bound.
        ProxyError: the proxy cannot be reached, refuses us, or carries no datagrams.
        BootstrapError: no node answered.
    """
    from fileshare.service.network import default_host, open_node  # here: the other commands start faster without it
    from kademlia_core import MainlineConfig

    entries = parse_bootstrap(entrance.bootstrap)
    proxy = parse_proxy(entrance.proxy)
    if proxy is not None and entrance.listen is not None:
        raise typer.BadParameter("behind a proxy there is no address of ours to ask from", param_hint="--listen")
    assert entries is not None
    if not entries and must_join:
        raise typer.BadParameter("a network of one's own has nobody to ask; name a node", param_hint="--bootstrap")
    address = parse_listen(entrance.listen) or Address(default_host(entries), 0)
    config = MainlineConfig(is_read_only=True)
    async with open_node(listen=address, bootstrap=entries, config=config, proxy=proxy) as node:
        output.event("listening", address=node.address, node_id=node.node_id.hex())
        if must_join:
            await node.wait_joined()
        yield node


def parse_target(text: str, *, hint: str) -> bytes:
    """An info-hash, a node id or the target of an item, as people write it; of version 2 the first 20 bytes.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        return Magnet.parse(text).info_hash if is_magnet(text) else parse_torrent_id(text.strip()).info_hash
    except MagnetError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None
