"""Fuzzing libp2p's DHT: its messages, the records in them, and a node that is asked, answered and kept waiting."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random

from kademlia_core.engine.events import Found
from kademlia_core.libp2p.asking import Failure
from kademlia_core.libp2p.config import Libp2pConfig, ProviderStoreConfig, ValueStoreConfig
from kademlia_core.libp2p.core import Libp2pCore
from kademlia_core.libp2p.errors import KadMessageError, RecordError, RequestRefusedError
from kademlia_core.libp2p.ipns import IpnsRecord
from kademlia_core.libp2p.messages import Record, decode
from kademlia_core.libp2p.peer import Peer
from transfer.host.delimited import DelimitedReader
from transfer.identity.peer_id import PeerId
from transfer.limits.source_limiter import RateLimitConfig
from transfer.multiaddr.multiaddr import Multiaddr

VECTORS = Path(__file__).parents[1] / "vectors" / "libp2p_kad.json"
PLACES = [Multiaddr.parse(text) for text in ("/ip4/45.1.1.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip6/2001:db8::1/tcp/1")]
PEERS = [Peer(PeerId(b"\x12\x20" + bytes([number]) * 32), (PLACES[number % 3],)) for number in range(1, 9)]
CONFIG = Libp2pConfig(
    values=ValueStoreConfig(max_records=3, max_records_per_source=2),
    providers=ProviderStoreConfig(max_entries=4, max_per_key=2, max_per_source=3),
    rate_limit=RateLimitConfig(per_host_per_s=5.0, per_host_burst=20.0),
    max_pending_requests=20,
    max_known_peers=5,
)
WALL_S = 1_800_000_000.0


@cache
def _recorded() -> tuple[list[bytes], list[bytes], bytes]:
    """Messages and IPNS records of other implementations, and the key that most of the records belong under."""
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    exchanges = [each for peer in vectors["kad"]["server_answers"].values() for each in peer.values()]
    messages = [bytes.fromhex(text) for each in exchanges for text in (each["req"], each["resp"]) if text]
    records = vectors["ipns"]["records"]
    return messages, [bytes.fromhex(each["record"]) for each in records], bytes.fromhex(records[0]["routing_key"])


def kad_message_seeds() -> list[bytes]:
    return _recorded()[0]


def record_seeds() -> list[bytes]:
    return _recorded()[1]


def run_record(data: bytes) -> str:
    """A record is refused by name, or is what a key has signed."""
    try:
        record = IpnsRecord.open(PeerId(_recorded()[2].removeprefix(b"/ipns/")), data)
    except RecordError as error:
        return _refusal(error)
    return f"record {record.sequence} {record.is_valid(wall_s=WALL_S)}"


def run_libp2p_node(data: bytes) -> str:
    """A node takes a script of requests, answers to its own, failures, pauses and commands; it keeps its bounds."""
    core = Libp2pCore(PeerId(b"\x12\x20" + b"o" * 32), rng=Random(1), now=0.0, wall_s=WALL_S, config=CONFIG)
    core.set_own_addresses(tuple(PLACES))
    core.engine.join((PEERS[0],), now=0.0)
    now, at = 0.0, 0
    kept, found, refused = 0, 0, 0
    open_requests = core.requests_to_open()
    while at < len(data):
        op, size = data[at], data[at + 1] if at + 1 < len(data) else 0
        body, at = data[at + 2 : at + 2 + size], at + 2 + size
        peer = PEERS[op >> 3 & 7]
        match op & 7:
            case 0 | 1:
                try:
                    answer = core.serve(body, peer.peer_id, observed=peer.addresses[0], now=now)
                except RequestRefusedError as error:
                    refused += bool(_refusal(error))
                else:
                    _check(answer)
            case 2 | 3 if open_requests and body:
                request = open_requests.pop(body[0] % len(open_requests))
                core.receive_answer(request, body[1:], observed=request.peer.addresses[0], now=now)
            case 4 if open_requests:
                failure = list(Failure)[size % 3]
                core.receive_failure(open_requests.pop(), failure, now=now)
            case 5:
                now += size * size / 16
                core.handle_timer(now=now)
                core.check_invariants()
            case 6 if core.stats(now=now).lookups < 3 and body:
                _command(core, body, now=now)
            case 7:
                core.learn(peer.peer_id, peer.addresses[: size % 2], is_server=bool(size & 2), now=now)
            case _:
                pass
        open_requests += core.requests_to_open()
        core.requests_to_abandon()
        while (event := core.next_event()) is not None:
            found += isinstance(event, Found)
        kept = max(kept, len(core.table))
    core.check_invariants()
    return f"node {kept} {min(found, 3)} {min(refused, 3)} {core.engine.join_state.value}"


def _refusal(error: Exception) -> str:
    text = str(error)
    assert "\n" not in text, "an error is one line"
    return "refused: " + "".join(letter for letter in text[:30] if letter.isalpha())


def _check(answer: bytes | None) -> None:
    if answer is not None:
        buffer = DelimitedReader(max_bytes=CONFIG.sent_answer_bytes + CONFIG.values.max_value_bytes + 1000)
        buffer.feed(answer)
        message = buffer.next_message()
        assert message is not None
        assert buffer.is_empty
        try:
            decode(message)
        except KadMessageError as error:
            raise AssertionError("what is written can be read") from error


def _command(core: Libp2pCore, body: bytes, *, now: float) -> None:
    key = body[1:] or b"k"
    match body[0] % 5:
        case 0:
            core.find_providers(key, now=now)
        case 1:
            core.provide(key, now=now)
        case 2:
            core.get_value(_recorded()[2], now=now)
        case 3:
            core.find_peer(PEERS[len(body) % 8].peer_id, now=now)
        case _:
            record = Record(_recorded()[2], _recorded()[1][0])
            core.put_value(record.key, record.value, keep_alive=True, now=now)


def libp2p_node_seeds() -> list[bytes]:
    def op(kind: int, peer: int, body: bytes) -> bytes:
        return bytes((kind | peer << 3, min(len(body), 255))) + body[:255]

    messages, _, key = _recorded()
    answer = next(each for each in messages if each[:2] == b"\x08\x04" and len(each) > 150)
    pause = bytes((5, 20))
    served = b"".join(op(0, number % 8, message) for number, message in enumerate(messages[::3]))
    answered = b"".join(op(2, 0, b"\x00" + answer[:250]) + op(6, 0, bytes([kind]) + key) for kind in range(5))
    return [served, answered + pause, op(7, 1, b"abc") + op(2, 0, b"\x00\x08\x04") + op(4, 0, b"") + pause * 3]
