"""The protocols that addresses are made of (multiformats/multiaddr, protocols.csv)."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.multiaddr import values
from transfer.multiaddr.values import ValueKind


@dataclass(frozen=True, slots=True)
class Protocol:
    """A part of an address.

    Attributes:
        code: its number on the wire.
        name: as it is written.
        kind: of its value; `values.NONE` for those that have none.
    """

    code: int
    name: str
    kind: ValueKind


_TABLE = (
    (4, "ip4", values.IP4),
    (6, "tcp", values.PORT),
    (33, "dccp", values.PORT),
    (41, "ip6", values.IP6),
    (42, "ip6zone", values.TEXT),
    (43, "ipcidr", values.BYTE),
    (53, "dns", values.TEXT),
    (54, "dns4", values.TEXT),
    (55, "dns6", values.TEXT),
    (56, "dnsaddr", values.TEXT),
    (132, "sctp", values.PORT),
    (273, "udp", values.PORT),
    (275, "p2p-webrtc-star", values.NONE),
    (276, "p2p-webrtc-direct", values.NONE),
    (277, "p2p-stardust", values.NONE),
    (280, "webrtc-direct", values.NONE),
    (281, "webrtc", values.NONE),
    (290, "p2p-circuit", values.NONE),
    (301, "udt", values.NONE),
    (302, "utp", values.NONE),
    (400, "unix", values.QUOTED),
    (421, "p2p", values.PEER_ID),
    (443, "https", values.NONE),
    (444, "onion", values.ONION),
    (445, "onion3", values.ONION3),
    (446, "garlic64", values.GARLIC64),
    (447, "garlic32", values.GARLIC32),
    (448, "tls", values.NONE),
    (449, "sni", values.TEXT),
    (454, "noise", values.NONE),
    (460, "quic", values.NONE),
    (461, "quic-v1", values.NONE),
    (465, "webtransport", values.NONE),
    (466, "certhash", values.MULTIHASH),
    (477, "ws", values.NONE),
    (478, "wss", values.NONE),
    (479, "p2p-websocket-star", values.NONE),
    (480, "http", values.NONE),
    (481, "http-path", values.QUOTED),
    (777, "memory", values.TEXT),
    (7367777, "plaintextv2", values.NONE),
)
BY_CODE = {code: Protocol(code, name, kind) for code, name, kind in _TABLE}
BY_NAME = {protocol.name: protocol for protocol in BY_CODE.values()}
BY_NAME["ipfs"] = BY_NAME["p2p"]  # as it was once called
