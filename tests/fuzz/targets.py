"""What is fuzzed: each target takes any bytes, and fails with `AssertionError` or an undocumented error.

A target returns a short text on what it made of its input. The campaign keeps inputs that bring out a new text.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from bittorrent.errors import MagnetError, MetainfoError, ResumeError, TrackerError, WireError
from bittorrent.merkle.proof import HashRange
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.peer.core import PeerCore
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.resume_state import ResumeState, _checksum
from bittorrent.tracker.messages import AnnounceRequest, parse_response
from bittorrent.tracker.udp import Answered, ExchangeFailed, UdpAnnounce
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import UT_METADATA, ExtendedHandshake
from bittorrent.wire.hashes import Hashes, HashReject, HashRequest
from bittorrent.wire.holepunch import PunchConnect, PunchRefused, Rendezvous, decode_holepunch, encode_holepunch
from bittorrent.wire.metadata import MetadataRequest, decode_metadata, encode_metadata
from bittorrent.wire.pex import PexFlags, PexMessage, decode_pex, encode_pex
from kademlia_core import Contact, Key
from kademlia_core.datagram.messages import ErrorReply
from kademlia_core.datagram.snapshot import NetworkSnapshot, SnapshotError, decode_snapshot, encode_snapshot
from kademlia_core.engine.requests import FindNode, Ping
from kademlia_core.keyvalue import codec as keyvalue
from kademlia_core.keyvalue.messages import FindValue, Message, Query, Store
from kademlia_core.keyvalue.messages import Response as KeyValueResponse
from kademlia_core.keyvalue.records import Record
from kademlia_core.libp2p import messages as kad_messages
from kademlia_core.libp2p.errors import KadMessageError
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MAX_REPLY_BYTES, MainlineConfig, PeerStoreConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import Query as KrpcQuery
from tests.fuzz.datagrams_target import datagrams_seeds, run_datagrams
from tests.fuzz.hashes_target import hashes_seeds, run_hashes
from tests.fuzz.libp2p_kad_target import kad_message_seeds, libp2p_node_seeds, record_seeds, run_libp2p_node, run_record
from tests.fuzz.mse_target import mse_seeds, run_mse
from tests.fuzz.names_target import (
    local_announcement_seeds,
    pointer_seeds,
    proxy_url_seeds,
    run_local_announcement,
    run_pointer,
    run_proxy_url,
    run_tracker_records,
    tracker_records_seeds,
)
from tests.fuzz.p2p_target import (
    envelope_seeds,
    identify_seeds,
    multiaddr_seeds,
    multistream_seeds,
    noise_seeds,
    run_envelope,
    run_identify,
    run_multiaddr,
    run_multistream,
    run_noise,
)
from tests.fuzz.portmap_target import natpmp_seeds, pcp_seeds, run_natpmp, run_pcp, run_upnp, upnp_seeds
from tests.fuzz.proxy_target import proxy_seeds, run_proxy
from tests.fuzz.swarm_target import run_swarm, swarm_seeds
from tests.fuzz.test_krpc_fuzz import SEEDS as KRPC_SEEDS
from tests.fuzz.test_metainfo_fuzz import TORRENTS
from tests.fuzz.test_peer_fuzz import CONFIG, GEOMETRY, INFO
from tests.fuzz.test_resume_fuzz import VALID as RESUME
from tests.fuzz.utp_target import run_utp, utp_seeds
from tests.fuzz.version2_target import run_version2, version2_seeds
from tests.fuzz.yamux_target import run_yamux, yamux_seeds
from tests.peer_pair import LEFT_ID, RIGHT_ID, handshake
from transfer.address import Address
from transfer.limits.source_limiter import RateLimitConfig
from transfer.wire import bencode
from transfer.wire.bencode import BencodeError
from transfer.wire.bencode_lenient import decode_dict_leniently


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes one input; `seeds` are where mutation starts."""

    run: Callable[[bytes], str]
    seeds: Callable[[], list[bytes]]


def decoder(
    decode: Callable[[bytes], Any], family: type[Exception], encode: Callable[[Any], bytes] | None
) -> Callable[[bytes], str]:
    """A target that decodes; what `encode` writes of it must be read as the same."""

    def run(data: bytes) -> str:
        try:
            value = decode(data)
        except family as error:
            text = str(error)
            assert "\n" not in text, "an error is one line"
            return "refused: " + re.sub(r"[0-9]+|'.*'|b'.*'|\".*\"", "#", text)
        if encode is not None:
            again = decode(encode(value))
            assert again == value, "what is written is read as the same"
        return f"{type(value).__name__} {_shape(value)}"

    return run


def _shape(value: object) -> str:
    """The kinds of a value's parts, not what they are."""
    if isinstance(value, Query | KrpcQuery):
        return f"{type(value.request).__name__} {value.want} {value.is_read_only}"
    fields = getattr(value, "__dataclass_fields__", {})
    return " ".join(name for name in fields if getattr(value, name, None) not in (None, (), b"", 0, ""))


def run_node(data: bytes) -> str:
    """A mainline node takes a script of datagrams, answers to its own queries, pauses and commands.

    It answers queries only, to where they came from, within the size limit, and never more than it was asked; it
    keeps its bounds.
    """
    core = MainlineCore(rng=Random(1), now=0.0, config=_NODE_CONFIG)
    core.engine.join((Address("192.0.2.1", 1),), now=0.0)
    now, at = 0.0, 0
    asked: list[tuple[bytes, Address]] = []
    while at < len(data):
        op, size = data[at], data[at + 1] if at + 1 < len(data) else 0
        body, at = data[at + 2 : at + 2 + size], at + 2 + size
        source = _SOURCES[op >> 3 & 7]
        match op & 7:
            case 0 | 1 | 2:
                core.receive_datagram(body, source, now=now)
            case 3 | 4 if asked and body:
                transaction_id, source = asked[body[0] % len(asked)]
                answer = _ANSWERS[size % len(_ANSWERS)].replace(b"TTTT", transaction_id) + body[1:]
                core.receive_datagram(answer, source, now=now)
            case 5:
                now += size * size / 16
                core.handle_timer(now=now)
            case 6 if core.stats(now=now).lookups < 2:
                core.find_peers(Key.from_bytes((body + bytes(20))[:20]), now=now)
            case 7:
                core.engine.add_node(source, now=now)
            case _:
                pass
        replies = 0
        for sent, to in core.datagrams_to_send():
            assert len(sent) <= MAX_REPLY_BYTES
            if b"1:y1:q" in sent:
                asked = [*asked[-20:], (bencode.decode_dict(sent)[b"t"], to)]  # type: ignore[list-item]
            else:
                replies += 1
                assert to == source, "a reply goes to where the query came from"
        assert replies <= 1
        while core.next_event() is not None:
            pass
    core.check_invariants()
    stats = core.stats(now=now)
    counts = (
        stats.nodes,
        stats.stored_peers,
        stats.errors_received,
        stats.timeouts,
        stats.dropped_limit,
        stats.lookups,
    )
    return " ".join(str(count.bit_length()) for count in counts)


def node_seeds() -> list[bytes]:
    datagrams = [krpc.encode(message) for message in KRPC_SEEDS]
    scripts = [bytes((0, len(each) & 255)) + each[:255] for each in datagrams]
    answers = [bytes((3, number)) + bytes(number) for number in range(1, 6)]
    return [
        *scripts,
        b"".join(scripts),
        b"".join(answers) + b"\x05\x40" + bytes(64),
        b"\x06\x14" + bytes(20) + answers[0],
    ]


def run_peer(data: bytes) -> str:
    """A connection takes anything, in chunks, and closes itself or goes on; its memory stays bounded."""
    core = PeerCore(handshake=handshake(LEFT_ID, dht=True), address=Address("10.0.0.1", 1), config=CONFIG, now=0.0)
    core.extended.info_bytes = INFO
    if data[:1] > b"\x20":
        core.set_geometry(GEOMETRY)
    stream = handshake(RIGHT_ID, dht=True).to_bytes() + data[1:] if data[:1] != b"\0" else data[1:]
    now = 0.0
    while stream:
        buffer = core.get_buffer(-1)
        size = min(len(buffer), len(stream), 700)
        assert size > 0
        buffer[:size] = stream[:size]
        core.buffer_updated(size, now=now)
        stream, now = stream[size:], now + 0.01
    core.check_invariants()
    kinds = set()
    while (event := core.next_event()) is not None:
        kinds.add(type(event).__name__)
    assert len(core.data_to_send()) < 1 << 20
    return " ".join(sorted(kinds))


def peer_seeds() -> list[bytes]:
    blocks = GEOMETRY.blocks(0)
    many: list[wire.Message] = [
        wire.BitfieldMessage(Bitfield(3, [0, 2]).to_wire()),
        wire.Interested(),
        wire.Unchoke(),
        wire.Have(1),
        wire.Request(blocks[0]),
        wire.Cancel(blocks[0]),
        wire.Piece(0, 0, bytes(50)),
        wire.Extended(0, ExtendedHandshake(extensions={UT_METADATA: 3}, metadata_size=len(INFO)).to_bytes()),
        wire.Extended(1, encode_metadata(MetadataRequest(0))),
        wire.Port(6881),
        wire.KeepAlive(),
        HashRequest(HashRange(bytes(32), 0, 0, 2, 0)),
        Hashes(HashRange(bytes(32), 0, 0, 2, 0), bytes(64)),
        HashReject(HashRange(bytes(32), 0, 0, 2, 0)),
    ]
    encoded = [wire.encode_message(message) for message in many]
    return [first + part for first in (b"\x10", b"\x30") for part in (*encoded, b"".join(encoded))]


def run_udp_tracker(data: bytes) -> str:
    """An announcement to a UDP tracker takes datagrams and pauses, and ends with an answer or one failure."""
    request = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=1, uploaded=0, downloaded=0, left=0)
    core = UdpAnnounce(request, url_data=b"/a", ipv6=data[:1] > b"\x7f", rng=Random(1), now=0.0)
    now, at, transaction_id, sent = 0.0, 1, b"", 0
    while at < len(data):
        for datagram in core.datagrams_to_send():
            transaction_id, sent = datagram[12:16], sent + 1
        op, size = data[at], data[at + 1] if at + 1 < len(data) else 0
        body, at = data[at + 2 : at + 2 + size], at + 2 + size
        if op % 4 == 3:
            now += size
            core.handle_timer(now=now)
        elif op % 4:
            core.receive_datagram(body[:4] + transaction_id + body[4:], now=now)
        else:
            core.receive_datagram(body, now=now)
    assert sent < 30
    event = core.next_event()
    assert (event is not None) == core.is_closed
    assert core.next_event() is None
    match event:
        case Answered(response=response):
            return f"answered {len(response.peers).bit_length()} {response.seeders == 0}"
        case ExchangeFailed(message=message, failure_reason=reason):
            assert "\n" not in message
            return f"failed {reason is None}"
        case _:
            return f"waits {sent} {core.ignored_datagrams.bit_length()}"


def udp_tracker_seeds() -> list[bytes]:
    connect = b"\x01\x0c" + bytes(4) + bytes(range(8))
    answer = b"\x01\x16" + b"\0\0\0\x01" + struct.pack(">III", 900, 1, 2) + b"\x09\x09\x09\x09\x1a\xe1"
    refusal = b"\x01\x08" + b"\0\0\0\x03" + b"nope"
    mismatch = b"\x01\x17" + b"\0\0\0\x03" + b"Connection ID missmatch."
    return [
        b"\0" + connect + mismatch + connect + answer,
        b"\0" + connect + answer,
        b"\0" + connect + b"\x03\x50" + bytes(0x50) + answer,
        b"\x80" + connect + refusal,
    ]


def _keyvalue_seeds() -> list[bytes]:
    key, address = Key.from_bytes(b"k" * 20), Address("192.0.2.1", 1)
    record = Record(key, b"value", 7, 60)
    messages: list[Message] = [
        *(Query(b"aa", key, each) for each in (Ping(), FindNode(key), FindValue(key), Store(record, b"token"))),
        KeyValueResponse(b"aa", key, b"token", (Contact(key, address),), (), address, record),
        ErrorReply(b"aa", 203, "no"),
    ]
    return [keyvalue.encode(message, b"n") for message in messages]


_SOURCES = [Address(f"192.0.2.{number // 2}", 1 + number % 3) for number in range(1, 9)]
_NODE_CONFIG = MainlineConfig(
    peer_store=PeerStoreConfig(max_torrents=3, max_peers_per_torrent=3, max_entries_per_host=4),
    rate_limit=RateLimitConfig(max_hosts=2, per_host_burst=5),
    max_hints=3,
    max_pending_queries=10,
    max_lookups=3,
)
_BODIES: list[dict[bytes, bencode.Encodable]] = [
    {},
    {b"token": b"t"},
    {b"token": b"t", b"values": [b"\xc0\x00\x02\x01\x1a\xe1"]},
    {b"nodes": b"N" * 20 + b"\xc0\x00\x02\x03\x00\x02", b"token": b"t"},
    {b"nodes": bytes(range(26)) * 3},
]
_ANSWERS = [
    bencode.encode({b"r": {b"id": bytes([65 + number]) * 20, **body}, b"t": b"TTTT", b"y": b"r"})
    for number, body in enumerate(_BODIES)
]
_NETWORKS = [NetworkSnapshot(Key(5, 160), False, (Contact(Key(1, 160), Address("192.0.2.1", 1)),))]

TARGETS = {
    "bencode": Target(
        decoder(bencode.decode, bencode.BencodeError, bencode.encode),
        lambda: [b"d1:ad2:idi3eee", b"li-7e3:abcl1:xee", *map(krpc.encode, KRPC_SEEDS[:3])],
    ),
    "krpc": Target(
        decoder(krpc.decode, krpc.KrpcError, krpc.encode),
        lambda: [krpc.encode(message) for message in KRPC_SEEDS],
    ),
    "keyvalue": Target(
        decoder(
            lambda data: keyvalue.decode(data, b"n"),
            keyvalue.CodecError,
            lambda message: keyvalue.encode(message, b"n"),
        ),
        _keyvalue_seeds,
    ),
    "snapshot": Target(
        decoder(decode_snapshot, SnapshotError, encode_snapshot),
        lambda: [encode_snapshot(_NETWORKS), encode_snapshot([])],
    ),
    "node": Target(run_node, node_seeds),
    "kad_message": Target(decoder(kad_messages.decode, KadMessageError, kad_messages.encode), kad_message_seeds),
    "kad_record": Target(run_record, record_seeds),
    "libp2p_node": Target(run_libp2p_node, libp2p_node_seeds),
    "metainfo": Target(decoder(Metainfo.from_bytes, MetainfoError, None), lambda: TORRENTS),
    "version2": Target(run_version2, version2_seeds),
    "magnet": Target(
        decoder(lambda data: Magnet.parse(data.decode("latin-1")), MagnetError, None),
        lambda: [
            b"magnet:?xt=urn:btih:" + b"aB" * 20 + b"&dn=x&tr=udp://t:1&x.pe=1.2.3.4:5&so=0,2-4&ws=http://w/",
            b"magnet:?xt=urn:btmh:1220" + b"aB" * 32 + b"&xt=urn:btih:" + b"aB" * 20,
        ],
    ),
    "resume": Target(
        decoder(lambda data: ResumeState.from_bytes(_checksum(data) + data), ResumeError, None),
        lambda: [RESUME.to_bytes()[16:]],  # without a checksum that fits, nothing but that would be seen
    ),
    "tracker": Target(
        decoder(parse_response, TrackerError, None),
        lambda: [
            b"d8:completei1e8:intervali1800e5:peers6:\x7f\x00\x00\x01\x1a\xe1e",
            b"d8:intervali9e5:peersld2:ip9:127.0.0.14:porti1eeee",
            b"d14:failure reason4:nopee",
            b"d8:intervali007e8:intervali1e5:peersld2:ip6:a.test4:port4:6881eee\r\n",
            b"d5:peers7:abcdefg6:peers6i1e15:warning message2:hie",
        ],
    ),
    "lenient": Target(
        decoder(decode_dict_leniently, BencodeError, None),
        lambda: [b"\xef\xbb\xbf d01:ai007e1:ai1ee.", b"d1:ali-0ei1.5ed1:b0:eee"],
    ),
    "extended": Target(
        decoder(ExtendedHandshake.from_bytes, WireError, lambda value: value.to_bytes()),
        lambda: [ExtendedHandshake(extensions={UT_METADATA: 3}, metadata_size=99).to_bytes()],
    ),
    "ut_metadata": Target(
        decoder(decode_metadata, WireError, None), lambda: [encode_metadata(MetadataRequest(3)), b"d8:msg_typei1ee123"]
    ),
    "hashes": Target(run_hashes, hashes_seeds),
    "pex": Target(
        decoder(lambda data: decode_pex(data, max_peers=20), WireError, encode_pex),
        lambda: [
            encode_pex(PexMessage(((Address("9.9.9.9", 80), PexFlags.SEED),), (Address("2001:db8::1", 7),))),
            b"d5:added6:\x01\x02\x03\x04\x05\x067:added.f1:\x00e",
        ],
    ),
    "ut_holepunch": Target(
        decoder(decode_holepunch, WireError, lambda value: encode_holepunch(value) if value is not None else b"\3\0"),
        lambda: [
            encode_holepunch(Rendezvous(Address("9.9.9.9", 6881))),
            encode_holepunch(PunchConnect(Address("2001:db8::1", 7))),
            encode_holepunch(PunchRefused(Address("9.9.9.9", 6881), 2)) + b"\0",
        ],
    ),
    "tracker_records": Target(run_tracker_records, tracker_records_seeds),
    "pointer": Target(run_pointer, pointer_seeds),
    "local_announcement": Target(run_local_announcement, local_announcement_seeds),
    "udp_tracker": Target(run_udp_tracker, udp_tracker_seeds),
    "datagrams": Target(run_datagrams, datagrams_seeds),
    "mse": Target(run_mse, mse_seeds),
    "natpmp": Target(run_natpmp, natpmp_seeds),
    "pcp": Target(run_pcp, pcp_seeds),
    "upnp": Target(run_upnp, upnp_seeds),
    "proxy": Target(run_proxy, proxy_seeds),
    "proxy_url": Target(run_proxy_url, proxy_url_seeds),
    "peer": Target(run_peer, peer_seeds),
    "swarm": Target(run_swarm, swarm_seeds),
    "utp": Target(run_utp, utp_seeds),
    "yamux": Target(run_yamux, yamux_seeds),
    "multiaddr": Target(run_multiaddr, multiaddr_seeds),
    "envelope": Target(run_envelope, envelope_seeds),
    "multistream": Target(run_multistream, multistream_seeds),
    "identify": Target(run_identify, identify_seeds),
    "noise": Target(run_noise, noise_seeds),
}
