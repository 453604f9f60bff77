"""What the commands of `kad p2p` have in common: multiaddrs, and the file with the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from transfer import Multiaddr, MultiaddrError

IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="The key of this host, as other libp2p programs store it; made if it is not there. Default: a new key.",
    ),
]
MultiaddrArgument = Annotated[
    str, typer.Argument(metavar="MULTIADDR", help="Where the peer is: /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…")
]


def parse_multiaddr(text: str, *, option: str) -> Multiaddr:
    """An address as people write it.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        return Multiaddr.parse(text)
    except MultiaddrError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def parse_multiaddrs(texts: Sequence[str] | None, *, option: str) -> tuple[Multiaddr, ...]:
    """The same of an option that may be repeated."""
    return tuple(parse_multiaddr(text, option=option) for text in texts or ())
