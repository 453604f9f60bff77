"""Fuzzing a uTP endpoint: a hostile peer that knows every number, strangers, and an honest connection beside them."""

from __future__ import annotations

from random import Random

from tests.utp_pair import UtpConfig, Way
from transfer.utp.packet import DATA, FIN, RESET, STATE, SYN, Packet
from transfer.utp.values import State

CONFIG = UtpConfig(
    receive_buffer_bytes=16 << 10,
    send_buffer_min_bytes=16 << 10,
    send_buffer_max_bytes=16 << 10,
    max_packets_in_flight=16,
    max_packets_ahead=64,
    max_connections=4,
    max_half_open=3,
    max_resets_per_s=5,
)
HOSTILE = ("hostile", 1)
STRANGERS = [("stranger", number) for number in range(3)]
CONTENT = Random(1).randbytes(5_000)
KINDS = (DATA, FIN, STATE, RESET, SYN)


def run_utp(data: bytes) -> str:
    """Takes a script of packets, glued or not, pauses, and reads. Whatever comes, it keeps its bounds.

    What it sends to strangers is no more than what they sent, and the bytes of the honest connection stay right.
    """
    way = Way(config=CONFIG, seed=1)
    honest, ours = way.pair()
    way.left.write(honest, CONTENT)
    core, side = way.right.core, way.right
    forged = Packet(kind=SYN, connection_id=700, sequence=99)
    side.receive(forged.to_bytes(), HOSTILE)
    number = next(iter(core._handshakes._half_open.values()))[1]
    side.receive(Packet(kind=STATE, connection_id=701, sequence=100, acked=number - 1).to_bytes(), HOSTILE)
    theirs = side.accepted[-1]
    side.write(theirs, bytes(9000))
    at = 0
    while at < len(data):
        op, size = data[at], data[at + 1] if at + 1 < len(data) else 0
        body, at = data[at + 2 : at + 2 + size], at + 2 + size
        match op & 7:
            case 0:
                side.receive(body, STRANGERS[op >> 3 & 1])
            case 1:
                side.receive(body, HOSTILE, max(1, size >> 2))
            case 2 | 3 if len(body) >= 6:
                side.receive(
                    _forged(theirs.receive_id, theirs.receiving.expected, theirs.sender.half.base, body), HOSTILE
                )
            case 4 if len(body) >= 6:
                first = theirs.receiving.expected + body[0] - 4
                packets = [
                    Packet(kind=DATA, connection_id=theirs.receive_id, sequence=first + n & 0xFFFF, payload=body[6:])
                    for n in range(2 + body[1] % 6)
                ]
                acked = theirs.sender.half.base - 1 + body[2] % 3 & 0xFFFF
                glued = b"".join(packet.to_bytes()[:18] + acked.to_bytes(2, "big") + body[6:] for packet in packets)
                side.receive(glued, HOSTILE, len(packets[0].to_bytes()))
            case 5:
                way.run(size * size / 64)
            case 6:
                side.reads = bool(size & 1)
                side.read(theirs)
                side.flush(theirs)
            case _:
                identity = body[:2].rjust(2, b"\0")
                kind = KINDS[op >> 3 & 3] if op & 32 else SYN
                packet = Packet(kind=kind, connection_id=int.from_bytes(identity, "big"), sequence=size, acked=op)
                side.receive(packet.to_bytes(), STRANGERS[2])
        core.check_invariants()
        assert len(core) <= CONFIG.max_connections
        assert theirs.receiving.held_bytes <= CONFIG.receive_buffer_bytes + 65_536
        assert CONTENT.startswith(side.received[ours])
    side.reads = True
    side.read(ours)
    side.flush(ours)
    if ours.state is State.CONNECTED and honest.state is State.CONNECTED:
        assert way.run(100, lambda: len(side.received[ours]) == len(CONTENT))
        assert side.received[ours] == CONTENT
    stats, counts = core.stats(), theirs.stats()
    numbers = (
        *(stats.half_open, stats.accepted, stats.malformed, stats.strangers, stats.refused, theirs.ignored),
        *(counts.delivered_bytes, counts.lost_bytes, counts.timeouts, len(side.received[theirs])),
        *(counts.peer_window_bytes, theirs.receiving.mask),
    )
    return f"{theirs.state.name} {theirs.ending} " + " ".join(str(each.bit_length()) for each in numbers)


def _forged(receive_id: int, expected: int, base: int, body: bytes) -> bytes:
    """A packet of a peer that knows what would be right, and sends something near it."""
    packet = Packet(
        kind=KINDS[body[0] % 5],
        connection_id=receive_id,
        timestamp_us=int.from_bytes(body[1:3], "big") << 16,
        difference_us=body[5] << 24 | body[4],
        window=int.from_bytes(body[2:4], "big") << (body[0] >> 5),
        sequence=expected + body[3] - 8 & 0xFFFF,
        acked=base - 1 + body[4] % 20 - 4 & 0xFFFF,
        sack=int.from_bytes(body[6:12], "little") if body[5] & 1 else None,
        payload=body[12:],
    )
    return packet.to_bytes()


def utp_seeds() -> list[bytes]:
    forged = [bytes((2, 20 + kind, kind, 0, 200, 8, 4 + kind, 1)) + bytes(14 + kind) for kind in range(5)]
    glued = bytes((4, 16, 4, 3, 0, 0, 0, 0)) + b"0123456789"
    ahead = bytes((4, 16, 6, 3, 1, 0, 0, 0)) + b"0123456789"
    pause, read, close = b"\x05\x10" + bytes(16), b"\x06\x01\0", b"\x06\x00"
    syn = Packet(kind=SYN, connection_id=3, sequence=4).to_bytes()
    stray = bytes((0, len(syn))) + syn
    return [*forged, b"".join(forged), glued + ahead + glued, close + glued * 4 + pause + read, stray + b"\x27\x02\0\7"]
