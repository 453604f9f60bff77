"""One stranger against one session: what it sends, how long it lasts, and what the session says when it has enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count, cycle, repeat
from typing import Any

from bittorrent.aio.torrent import Torrent
from bittorrent.events import PeerDisconnected
from bittorrent.metainfo.magnet import Magnet
from bittorrent.peer.config import PeerConfig
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import ExtendedHandshake
from bittorrent.wire.handshake import Handshake
from bittorrent.wire.pex import PexFlags, PexMessage, encode_pex
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.shared_content import SharedContent
from transfer.address import Address
from transfer.simulation import Simulation

US, STRANGER, HONEST = "10.0.0.1", "10.0.0.66", "10.0.0.2"
SIZE, PIECE = 1 << 19, 1 << 15
PIECES = SIZE // PIECE
DONT_HAVE, PEX = 3, 2  # the numbers under which we want to receive


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What is sent, a chunk at a time, with a pause after each.

    Attributes:
        says: everything behind the handshake, or that too if it is `raw`.
        knows: the session knows the torrent, and not only a magnet link.
    """

    says: Callable[[], Iterator[bytes]]
    pause_s: float = 0.01
    raw: bool = False
    knows: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Repelled:
    """What came of it; `reason` is empty when the stranger was never let in or never put out."""

    reason: str
    lasted_s: float
    sent_bytes: int
    known_peers: int
    honest_took_s: float


def said(*messages: wire.Message) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([b"".join(map(wire.encode_message, messages))])


def flood(*messages: wire.Message, times: int = 50) -> Callable[[], Iterator[bytes]]:
    return lambda: repeat(b"".join(map(wire.encode_message, messages)) * times)


def begun(*messages: wire.Message, then: Callable[[], Iterator[bytes]]) -> Callable[[], Iterator[bytes]]:
    return lambda: chain(said(*messages)(), then())


def _names(number: int) -> bytes:
    added = tuple((Address(f"9.{number % 250}.{low % 250}.1", 7000), PexFlags(0)) for low in range(200))
    return wire.encode_message(wire.Extended(PEX, encode_pex(PexMessage(added, ()))))


def _drip(data: bytes) -> Iterator[bytes]:
    return (bytes((byte,)) for byte in data)


HELLO = Handshake(info_hash=bytes(20), peer_id=b"-XX0000-stranger----", supports_fast=True).to_bytes()
NEARLY_FULL_BITFIELD = wire.encode_message(wire.BitfieldMessage(b"\xff" * ((256 << 10) - 1)))
ATTACKS = {
    "a handshake, a byte a second": Attack(says=lambda: _drip(HELLO), pause_s=1.0, raw=True),
    "half a handshake": Attack(says=lambda: iter([HELLO[:40]]), raw=True),
    "a frame, a byte in two minutes": Attack(says=lambda: _drip(b"\x00\x00\x40\x09\x07" + bytes(8)), pause_s=120.0),
    "an enormous frame": Attack(says=lambda: iter([b"\x7f\xff\xff\xff\x05"])),
    "a giant bitfield": Attack(says=lambda: iter([NEARLY_FULL_BITFIELD])),
    "giant bitfields before the metadata": Attack(says=lambda: repeat(NEARLY_FULL_BITFIELD), knows=False),
    "a have beyond the end": Attack(says=said(wire.Have(PIECES))),
    "an absurd have before the metadata": Attack(says=said(wire.Have(1 << 31)), knows=False),
    "haves before the metadata": Attack(
        says=lambda: (wire.encode_haves(range(at, at + 5000)) for at in count(0, 5000)), knows=False
    ),
    "the same have": Attack(says=flood(wire.Have(1))),
    "haves taken back": Attack(says=flood(wire.Have(1), wire.Extended(DONT_HAVE, bytes(3) + b"\x01"))),
    "have all": Attack(says=flood(wire.HaveAll())),
    "keep-alives": Attack(says=flood(wire.KeepAlive())),
    "chokes and unchokes": Attack(says=flood(wire.Choke(), wire.Unchoke())),
    "interest": Attack(says=flood(wire.Interested(), wire.NotInterested())),
    "ports": Attack(says=flood(wire.Port(6881), wire.Port(6882))),
    "unknown messages": Attack(says=flood(wire.Unknown(99, b"x" * 1000))),
    "extension handshakes": Attack(says=flood(wire.Extended(0, ExtendedHandshake(client="x").to_bytes()))),
    "extension messages that we never offered": Attack(says=flood(wire.Extended(77, b"x" * 1000))),
    "blocks that nobody asked for": Attack(says=flood(wire.Piece(0, 0, bytes(BLOCK_SIZE)), times=20)),
    "blocks of nothing": Attack(says=flood(wire.Piece(0, 0, b""))),
    "requests while choked": Attack(says=flood(wire.Request(Block(0, 0, BLOCK_SIZE)))),
    "a request for a megabyte": Attack(says=said(wire.Request(Block(0, 0, 1 << 20)))),
    "a request across the end": Attack(says=said(wire.Request(Block(PIECES - 1, PIECE - 10, BLOCK_SIZE)))),
    "rejects of nothing": Attack(says=flood(wire.RejectRequest(Block(0, 0, BLOCK_SIZE)))),
    "suggestions": Attack(says=lambda: cycle(wire.encode_message(wire.SuggestPiece(at)) for at in range(PIECES))),
    "names of peers": Attack(says=lambda: map(_names, count()), pause_s=0.2),
    "a few names a minute": Attack(says=lambda: map(_names, range(60)), pause_s=61.0),
    "deep bencode": Attack(says=said(wire.Extended(0, b"l" * 60_000))),
}


async def withstand(simulation: Simulation, attack: Attack, *, most_s: float = 400.0) -> Repelled:
    """Lets the stranger do what it can for so long, then has everything fetched from an honest peer."""
    content = SharedContent.make(SIZE, PIECE, simulation.rng)
    peer = PeerConfig(max_early_haves=10_000)
    async with session_on(simulation, US, content, peer=peer) as session:
        source: Any = content.metainfo if attack.knows else Magnet(v1=content.metainfo.info_hash)
        torrent = await add(simulation, US, session, source)
        await asyncio.sleep(1)
        reasons: list[str] = []
        listening = asyncio.create_task(_listen(torrent, reasons))
        began_at = simulation.now
        stranger = asyncio.create_task(_send(simulation, attack, content.metainfo.info_hash))
        await asyncio.wait([stranger], timeout=most_s)
        lasted_s = simulation.now - began_at
        stranger.cancel()
        (sent_bytes,) = await asyncio.gather(stranger, return_exceptions=True)
        known_peers = torrent.statistics().known_peers
        async with session_on(simulation, HONEST, content, complete=True) as honest:
            await add(simulation, HONEST, honest, content.metainfo, peers=[(US, PORT)])
            came_at = simulation.now
            async with asyncio.timeout(120):
                await torrent.wait_complete()
            honest_took_s = simulation.now - came_at
        listening.cancel()
        return Repelled(
            reason=reasons[0] if reasons else "",
            lasted_s=lasted_s,
            sent_bytes=sent_bytes if isinstance(sent_bytes, int) else -1,
            known_peers=known_peers,
            honest_took_s=honest_took_s,
        )


async def _listen(torrent: Torrent, reasons: list[str]) -> None:
    async for event in torrent.events():
        if isinstance(event, PeerDisconnected) and event.address.host == STRANGER:
            reasons.append(event.reason)


async def _send(simulation: Simulation, attack: Attack, info_hash: bytes) -> int:
    """Until it is put out; returns how much it got rid of."""
    sent = 0
    with simulation.host(STRANGER):
        reader, writer = await asyncio.open_connection(US, PORT)
    reading = asyncio.create_task(reader.read(-1))
    try:
        first = b"" if attack.raw else HELLO[:28] + info_hash + HELLO[48:]
        for chunk in chain([first], attack.says()):
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            await asyncio.wait([reading], timeout=attack.pause_s)
            if reading.done():
                break
        await asyncio.wait([reading])
    except ConnectionError:
        pass
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()
    return sent
