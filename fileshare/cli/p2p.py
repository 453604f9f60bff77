"""`kad p2p`: be a libp2p host, or ask one who it is."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from fileshare.cli.errors import CommandError, InterruptedByUserError, exits
from fileshare.cli.options import JsonOption
from fileshare.cli.output import Output
from fileshare.cli.p2p_host import (
    IdentityOption,
    MultiaddrArgument,
    parse_multiaddr,
    parse_multiaddrs,
    read_identity,
)
from fileshare.cli.proxy_options import ImpossibleProxyOption, refuse_proxy
from fileshare.cli.runtime import run
from transfer import (
    ConnectionDropped,
    Host,
    Multiaddr,
    NotDialableError,
    PeerConnected,
    PeerDisconnected,
    PeerIdentified,
    PeerUnreachableError,
    PrivateKey,
)

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
    output = Output(as_json=as_json)
    addresses = parse_multiaddrs(listen or [DEFAULT_LISTEN], option="--listen")
    peers = parse_multiaddrs(bootstrap, option="--bootstrap")
    key = read_identity(identity, output)
    try:
        run(_serve(output, key, addresses, peers))
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
    output = Output(as_json=as_json)
    target = parse_multiaddr(address, option="MULTIADDR")
    run(_ping(output, read_identity(identity, output), target, count))


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
    output = Output(as_json=as_json)
    target = parse_multiaddr(address, option="MULTIADDR")
    run(_identify(output, read_identity(identity, output), target))


async def _serve(output: Output, key: PrivateKey, listen: Sequence[Multiaddr], peers: Sequence[Multiaddr]) -> None:
    async with Host(identity=key) as host:
        for address in listen:
            try:
                await host.listen(address)
            except OSError as error:
                reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
                text = f"cannot listen on {address}: {reason}; choose another address with --listen MULTIADDR"
                raise CommandError(text) from None
            except NotDialableError as error:
                raise typer.BadParameter(str(error), param_hint="--listen") from None
        events = host.events()
        for each in host.addresses:
            output.say(f"listening on {each}")
        output.say("stop with Ctrl-C")
        output.event("listening", peer_id=str(host.peer_id), addresses=[str(each) for each in host.addresses])
        async with asyncio.TaskGroup() as group:
            for peer in peers:
                group.create_task(_call(output, host, peer))
            async for event in events:
                _tell(output, event)


async def _call(output: Output, host: Host, peer: Multiaddr) -> None:
    try:
        await host.connect(peer)
    except PeerUnreachableError as error:
        output.complain(str(error))
        output.event("warning", message=str(error))


def _tell(output: Output, event: PeerConnected | PeerIdentified | PeerDisconnected | ConnectionDropped) -> None:
    """What has happened. Why a connection was ended here, the loss of the peer tells as well."""
    peer_id = str(event.peer_id)
    if isinstance(event, PeerConnected):
        output.say(f"{'called by' if event.is_inbound else 'connected to'} {event.address}")
        output.event("connected", peer_id=peer_id, address=str(event.address), is_inbound=event.is_inbound)
    elif isinstance(event, PeerDisconnected):
        output.say(f"{peer_id} is gone" + (f": {event.reason}" if event.reason else ""))
        output.event("disconnected", peer_id=peer_id, reason=event.reason or None)
    elif isinstance(event, PeerIdentified):
        output.say(f"{peer_id} runs {event.said.agent or 'an unnamed program'}")
        output.event("identified", peer_id=peer_id, agent=event.said.agent, protocols=event.said.protocols or ())


async def _ping(output: Output, key: PrivateKey, target: Multiaddr, count: int) -> None:
    async with Host(identity=key) as host:
        connection = await host.connect(target)
        pings = host.pings(connection)
        try:
            for number in range(1, count + 1):
                seconds = await anext(pings)
                output.say(f"{connection.peer_id} at {connection.remote.without_peer_id}: {1000 * seconds:.3f} ms")
                output.event("answered", peer_id=str(connection.peer_id), number=number, seconds=seconds)
        finally:
            await pings.aclose()


async def _identify(output: Output, key: PrivateKey, target: Multiaddr) -> None:
    started_at = time.monotonic()
    async with Host(identity=key) as host:
        connection = await host.connect(target)
        said = await host.identify(connection)
        seconds = time.monotonic() - started_at
        addresses = said.record.addresses if said.record is not None else said.addresses or ()
        output.say(f"peer id    {connection.peer_id} ({connection.public_key.type.name})")
        output.say(f"agent      {said.agent or 'does not say'}")
        output.say(f"network    {said.protocol_version or 'does not say'}")
        output.say(f"connection {connection.security}, {connection.muxer_name}, {1000 * seconds:.0f} ms")
        output.say(f"sees us at {said.observed or 'does not say'}")
        for name, several in (("addresses ", addresses), ("protocols ", sorted(said.protocols or ()))):
            for place, each in enumerate(several):
                output.say(f"{name if not place else ' ' * len(name)} {each}")
        output.event(
            "identified",
            peer_id=str(connection.peer_id),
            key_type=connection.public_key.type.name,
            agent=said.agent,
            protocol_version=said.protocol_version,
            security=connection.security,
            muxer=connection.muxer_name,
            observed=None if said.observed is None else str(said.observed),
            addresses=[str(each) for each in addresses],
            is_signed=said.record is not None,
            protocols=sorted(said.protocols or ()),
            seconds=seconds,
        )


DEFAULT_LISTEN = "/ip4/0.0.0.0/tcp/4001"
NO_PROXY = "libp2p hosts call and are called beside a proxy so far; leave it out, if others may see your address"
