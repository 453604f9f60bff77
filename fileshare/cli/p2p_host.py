"""What the commands of `kad p2p` have in common: multiaddrs, the key in its file, and a host that asks."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fileshare.cli.errors import CommandError
from fileshare.cli.output import Output
from transfer import IdentityError, Multiaddr, MultiaddrError, PrivateKey, read_file

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


def read_identity(file: Path | None, output: Output) -> PrivateKey:
    """The key of a file, or a new one, which is stored there if a file is named; nobody else may read it.

    Raises:
        CommandError: the file holds no key.
        OSError: it cannot be read or written.
    """
    if file is None:
        return PrivateKey.generate()
    try:
        key = PrivateKey.from_bytes(read_file(file, MAX_KEY_FILE_BYTES))
    except FileNotFoundError:
        return _new_identity(file)
    except IdentityError as error:
        raise CommandError(f"{file} holds no key of a libp2p host: {error}") from None
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        output.complain(f"others can read the key in {file}: chmod 600 {file}")
    return key


def _new_identity(file: Path) -> PrivateKey:
    key = PrivateKey.generate()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(key.to_bytes())
    return key


MAX_KEY_FILE_BYTES = 16 << 10
