"""Options that several commands share, and what their text means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated

import typer

from bittorrent import FileName
from kademlia_core import PUBLIC_ROUTERS
from transfer import Address, AddressError

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for programs.")]
ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="IP address and port to be reached at, for peers (TCP) and the DHT (UDP); [::]:6881 for IPv6, port 0 for"
        " any free one. Default: 0.0.0.0:6881, or the next free port.",
    ),
]
BootstrapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bootstrap",
        metavar="HOST:PORT",
        help="Where to enter the DHT, may be repeated; 'none' starts a network of your own. Default: the well-known"
        " public routers.",
    ),
]
NoDhtOption = Annotated[bool, typer.Option("--no-dht", help="Stay out of the DHT.")]


OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files in DIR that have the names of the torrent's but are not from it."),
]


def parse_endpoint(text: str, *, option: str) -> Address:
    """`HOST:PORT` of another machine or program.

    Raises:
        typer.BadParameter: it is not, or its port is 0.
    """
    try:
        address = Address.parse(text)
    except AddressError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    if address.port == 0:
        raise typer.BadParameter(f"{text!r}: nobody can be reached at port 0", param_hint=option)
    return address


def parse_listen(text: str | None, *, option: str = "--listen") -> Address | None:
    """`HOST:PORT` to bind.

    Raises:
        typer.BadParameter: it is not, or the host is a name.
    """
    if text is None:
        return None
    try:
        address = Address.parse(text)
        ip_address(address.host)
    except AddressError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} has no IP address of this machine; write 0.0.0.0 for all of them (IPv6: [::])",
            param_hint=option,
        ) from None
    return address


def parse_bootstrap(texts: Sequence[str] | None, *, no_dht: bool = False) -> tuple[Address, ...] | None:
    """The entry points of the DHT: empty for a network of one's own, None to stay out of it.

    Raises:
        typer.BadParameter: not HOST:PORT, or options that contradict each other.
    """
    if no_dht:
        if texts:
            raise typer.BadParameter("it makes no sense together with --no-dht", param_hint="--bootstrap")
        return None
    if not texts:
        return PUBLIC_ROUTERS
    if "none" in texts:
        if len(texts) > 1:
            raise typer.BadParameter("'none' stands alone", param_hint="--bootstrap")
        return ()
    return tuple(parse_endpoint(text, option="--bootstrap") for text in texts)


def parse_selection(texts: Sequence[str] | None) -> tuple[FileName, ...]:
    """The files meant by `--select`: numbers, ranges such as 3-5, paths, folders and patterns.

    Raises:
        typer.BadParameter: a range that ends before it begins.
    """
    found: list[FileName] = []
    for text in texts or ():
        if not _NUMBERS.fullmatch(text):
            found.append(text)
            continue
        for part in text.split(","):
            first, _, last = part.partition("-")
            if last and int(last) < int(first):
                raise typer.BadParameter(f"{part} ends before it begins", param_hint="--select")
            found.append(range(int(first), int(last) + 1) if last else int(first))
    return tuple(found)


_NUMBERS = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*")
