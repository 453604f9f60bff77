"""`kad p2p`: be a libp2p host, or ask one who it is."""

from __future__ import annotations

from typing import Annotated

import typer

from fileshare.cli.errors import InterruptedByUserError, exits
from fileshare.cli.options import JsonOption
from fileshare.cli.output import Output
from fileshare.cli.p2p_options import IdentityOption, MultiaddrArgument, parse_multiaddr, parse_multiaddrs
from fileshare.cli.proxy_options import ImpossibleProxyOption, refuse_proxy
from fileshare.cli.runtime import run

app = typer.Typer(
    no_args_is_help=True, help="Be a libp2p host, or ask one who it is and how far away.", rich_markup_mode=None
)


@app.command(
    "node",
    short_help="Run a libp2p host until interrupted.",
    epilog="Example: kad p2p node --listen /ip4/127.0.0.1/tcp/4001 --identity host.key",
)
@exits
def node(
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen",
            metavar="MULTIADDR",
            help="Where to be reached, may be repeated; port 0 for any free one. Default: /ip4/0.0.0.0/tcp/4001.",
        ),
    ] = None,
    bootstrap: Annotated[
        list[str] | None,
        typer.Option(
            "--bootstrap", metavar="MULTIADDR", help="Whom to call at once, may be repeated. Default: nobody."
        ),
    ] = None,
    identity: IdentityOption = None,
    proxy: ImpossibleProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a libp2p host until interrupted: it answers identify and ping over TCP, Noise and yamux.

    The addresses that it prints can be pasted into the other commands, and into programs of other implementations.
    """
    refuse_proxy(proxy, why=NO_PROXY)
    from fileshare.cli import p2p_tasks  # here: the other commands start faster without it

    output = Output(as_json=as_json)
    addresses = parse_multiaddrs(listen or [DEFAULT_LISTEN], option="--listen")
    peers = parse_multiaddrs(bootstrap, option="--bootstrap")
    try:
        run(p2p_tasks.serve(output, identity, addresses, peers))
    except InterruptedByUserError:
        output.say("stopped")
        output.event("done")


@app.command(
    "ping",
    short_help="Measure how far away a peer is.",
    epilog="Example: kad p2p ping /ip4/127.0.0.1/tcp/4001 -n 5",
)
@exits
def ping(
    address: MultiaddrArgument,
    count: Annotated[int, typer.Option("-n", "--count", min=1, metavar="N", help="How often.")] = 1,
    identity: IdentityOption = None,
    proxy: ImpossibleProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a peer and measure round trips. Exit code 1 when it does not answer."""
    refuse_proxy(proxy, why=NO_PROXY)
    from fileshare.cli import p2p_tasks  # here: the other commands start faster without it

    run(p2p_tasks.ping(Output(as_json=as_json), identity, parse_multiaddr(address, option="MULTIADDR"), count))


@app.command(
    "identify",
    short_help="Ask a peer who it is and what it speaks.",
    epilog="Example: kad p2p identify /ip4/127.0.0.1/tcp/4001",
)
@exits
def identify(
    address: MultiaddrArgument,
    identity: IdentityOption = None,
    proxy: ImpossibleProxyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a peer and print what it tells of itself. Exit code 1 when it does not answer."""
    refuse_proxy(proxy, why=NO_PROXY)
    from fileshare.cli import p2p_tasks  # here: the other commands start faster without it

    run(p2p_tasks.identify(Output(as_json=as_json), identity, parse_multiaddr(address, option="MULTIADDR")))


DEFAULT_LISTEN = "/ip4/0.0.0.0/tcp/4001"
NO_PROXY = "libp2p hosts call and are called beside a proxy so far; leave it out, if others may see your address"
