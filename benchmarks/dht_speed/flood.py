"""One socket that asks as quickly as it is answered, and more cheaply than anybody could answer it.

Queries are made beforehand. On Linux many go out with one call, cut up by the kernel (`UDP_SEGMENT`), so that sending
costs next to nothing and the flooder never holds up the node.
"""

from __future__ import annotations

import random
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import umsgpack  # type: ignore[import-untyped]  # it ships no types

from transfer import bencode


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """What came of a flood. `lost` queries got no answer in time."""

    replies: int
    lost: int
    wall_s: float
    flooder_cpu_s: float
    sample: bytes


def krpc_queries(kind: str, count: int, *, rng: random.Random) -> list[bytes]:
    """Queries with random targets, all of one length."""
    arguments: dict[bytes, bytes] = {b"id": rng.randbytes(20)}
    name = {"find_node": b"target", "get_peers": b"info_hash"}.get(kind)
    queries = []
    for number in range(count):
        if name is not None:
            arguments[name] = rng.randbytes(20)
        transaction_id = number.to_bytes(2, "big")
        queries.append(bencode.encode({b"a": arguments, b"q": kind.encode(), b"t": transaction_id, b"y": b"q"}))
    return queries


def package_queries(kind: str, count: int, *, rng: random.Random) -> list[bytes]:
    """The same for the `kademlia` package; what comes closest to `get_peers` is its `find_value`."""
    own_key = rng.randbytes(20)
    name = {"get_peers": "find_value"}.get(kind, kind)
    queries = []
    for _ in range(count):
        arguments = [own_key] if kind == "ping" else [own_key, rng.randbytes(20)]
        queries.append(b"\0" + rng.randbytes(20) + umsgpack.packb([name, arguments]))
    return queries


def flood(port: int, queries: list[bytes], *, seconds: float, window: int = 192) -> Flooded:
    """Keeps up to `window` queries on their way to a node on this machine for so long."""
    size = len(queries[0])
    assert all(len(query) == size for query in queries)
    batches = [b"".join(queries[at : at + BATCH]) for at in range(0, len(queries) - BATCH + 1, BATCH)]
    buffer = bytearray(4096)
    replies = lost = in_flight = turn = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        send = _batch_sender(sock, size)
        started, started_cpu = time.perf_counter(), time.process_time()
        now = heard_at = started
        received = 0
        while now < started + seconds:
            while in_flight + BATCH <= window:
                send(batches[turn % len(batches)])
                turn += 1
                in_flight += BATCH
            before = in_flight
            try:
                for _ in range(window):
                    received = sock.recv_into(buffer)
                    in_flight -= 1
            except BlockingIOError:
                time.sleep(PAUSE_S)
            now = time.perf_counter()
            replies += before - in_flight
            if in_flight < before:
                heard_at = now
            elif now - heard_at > PATIENCE_S:
                lost += in_flight
                in_flight, heard_at = 0, now
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - started_cpu
    return Flooded(replies=replies, lost=lost, wall_s=wall_s, flooder_cpu_s=cpu_s, sample=bytes(buffer[:received]))


def _batch_sender(sock: socket.socket, size: int) -> Callable[[bytes], None]:
    if sys.platform == "linux":
        options = [(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17, UDP_SEGMENT, struct.pack("@H", size))]

        def send(batch: bytes) -> None:
            sock.sendmsg([batch], options)
    else:

        def send(batch: bytes) -> None:
            for at in range(0, len(batch), size):
                sock.send(batch[at : at + size])

    return send


BATCH = 32
# Without a pause, each reply would have to wake the flooder, at the expense of the node.
PAUSE_S = 0.0003
PATIENCE_S = 0.1
UDP_SEGMENT = 103
