"""What the commands of `kad p2p` do. Loaded when one of them runs."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from fileshare.cli.errors import CommandError
from fileshare.cli.output import Output
from transfer import (
    ConnectionDropped,
    Host,
    IdentityError,
    Multiaddr,
    NotDialableError,
    PeerConnected,
    PeerDisconnected,
    PeerIdentified,
    PeerUnreachableError,
    PrivateKey,
    read_file,
)


async def serve(output: Output, identity: Path | None, listen: Sequence[Multiaddr], peers: Sequence[Multiaddr]) -> None:
    """A host until it is cancelled."""
    async with Host(identity=read_identity(identity, output)) as host:
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


async def ping(output: Output, identity: Path | None, target: Multiaddr, count: int) -> None:
    """Measures round trips."""
    async with Host(identity=read_identity(identity, output)) as host:
        connection = await host.connect(target)
        pings = host.pings(connection)
        try:
            for number in range(1, count + 1):
                seconds = await anext(pings)
                output.say(f"{connection.peer_id} at {connection.remote.without_peer_id}: {1000 * seconds:.3f} ms")
                output.event("answered", peer_id=str(connection.peer_id), number=number, seconds=seconds)
        finally:
            await pings.aclose()


async def identify(output: Output, identity: Path | None, target: Multiaddr) -> None:
    """Prints what a peer tells of itself."""
    started_at = time.monotonic()
    async with Host(identity=read_identity(identity, output)) as host:
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
