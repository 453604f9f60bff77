"""The commands of `kad`, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from fileshare.cli import demo, dht, get, net, p2p, seed, stream, torrent


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"kad {version('kademlia-core')}")
        except PackageNotFoundError:
            print("kad (run from a source tree that is not installed)")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Share files peer to peer: find peers through the Kademlia network that BitTorrent clients use, download from
    them, verify every byte and share it again.

    Exit codes: 0 done and verified, 1 failed, 2 wrong usage, 130 interrupted (the same command continues).
    """


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # an address such as [::1]:6881 is not markup
    pretty_exceptions_enable=False,
)
app.callback(epilog="Example: kad demo")(root)
app.command("get", epilog=get.EXAMPLE)(get.get)
app.command("seed", epilog=seed.EXAMPLE)(seed.seed)
app.command("stream", epilog=stream.EXAMPLE)(stream.stream)
app.add_typer(torrent.app, name="torrent")
app.add_typer(dht.app, name="dht")
app.add_typer(net.app, name="net")
app.add_typer(p2p.app, name="p2p")
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
