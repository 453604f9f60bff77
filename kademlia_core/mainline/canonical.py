"""The messages that make up nearly all traffic, read and written directly.

`ping`, `find_node` and `get_peers` have one shape in nearly all programs, and so have answers that hold nothing but
nodes, peers and a token. For these, comparing and joining bytes takes a fraction of the time of the general codec in
`kademlia_core.mainline.krpc`, which does whatever is refused here with None. Both give the same results.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from kademlia_core.key import Key
from kademlia_core.mainline.krpc_fields import split_nodes
from kademlia_core.mainline.messages import FindNode, GetPeers, Ping, Query, Response
from transfer.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.engine.requests import Request
    from kademlia_core.mainline.messages import Message


def read_query(data: bytes) -> Query | None:
    """The query that a datagram holds, if it is one of the usual ones."""
    if data[:12] != HEAD or len(data) < SHORTEST_BYTES:
        return None
    request: Request
    want: tuple[int, ...] = ()
    kind = data[32:43]
    if kind == TARGET:
        request, at, method = FindNode(_key(data[43:63])), 63, FIND_NODE
    elif kind == INFO_HASH:
        if data[43:46] != b"20:":
            return None
        request, at, method = GetPeers(_key(data[46:66])), 66, GET_PEERS
    else:
        request, at, method = Ping(), 32, PING
    if not data.startswith(method, at):
        name, want = _want_at(data, at)
        at += len(name)
        if not want or at < 63 or not data.startswith(method, at):
            return None
    at += len(method)
    is_read_only = data.startswith(b"2:ro", at)
    if is_read_only:
        if not data.startswith(b"i1e", at + 4):
            return None
        at += 7
    end = end_of_id(data, at)
    if not end:
        return None
    version = data[end + 5 : end + 9] if len(data) > end + 7 else b""
    return Query(data[at + 5 : end], _key(data[12:32]), request, is_read_only, version, want)


def read_response(data: bytes) -> Response | None:
    """The response that a datagram holds, if that is nodes of one family, a token and peers at most."""
    head = _RESPONSE_HEAD.match(data)
    if head is None:
        return None
    seen_at, seen_at6, sender, name, size = head.groups()
    nodes_at = at = head.end()
    if name:
        at += int(size)
    nodes_end = at
    token = None
    if data.startswith(b"5:token", at):
        found = _TOKEN_SIZE.match(data, at + 7)
        if found is None:
            return None
        at = found.end() + int(found[1])
        token = data[found.end() : at]
    peers: tuple[Address, ...] = ()
    if data.startswith(b"6:valuesl", at):
        found = _PEERS.match(data, at + 9)
        if found is None:
            return None
        peers = tuple(map(Address.from_compact, [ipv4 or ipv6 for ipv4, ipv6 in _PEER.findall(found[1])]))
        at = found.end()
    end = _RESPONSE_END.fullmatch(data, at)
    if end is None:
        return None
    nodes = split_nodes(data[nodes_at:nodes_end], ipv6=name == _NODES6)
    address = seen_at or seen_at6
    return Response(
        end[1] or end[2],
        _key(sender),
        token,
        nodes if name != _NODES6 else (),
        nodes if name == _NODES6 else (),
        _address(address) if address else None,
        end[3] or b"",
        peers,
    )


def end_of_id(data: bytes, at: int) -> int:
    """Where the transaction id ends whose name is at `at`, if nothing follows it but what ends a query; else 0."""
    size = _ID_SIZES.get(data[at : at + 5])
    if size is None:
        return 0
    end = at + 5 + size
    rest = len(data) - end
    if not data.endswith(b"1:y1:qe") or (rest != 7 and (rest != 16 or data[end : end + 5] != b"1:v4:")):
        return 0
    return end


def write(message: Message) -> bytes | None:
    """The datagram for a message, if it is one of the usual ones."""
    if isinstance(message, Response):
        return _write_response(message)
    return _write_query(message) if isinstance(message, Query) else None


def _write_query(query: Query) -> bytes | None:
    request = query.request
    argument = want = b""
    if isinstance(request, FindNode):
        argument, method = b"6:target20:" + request.target.value.to_bytes(20, "big"), b"9:find_node"
    elif isinstance(request, GetPeers) and not request.no_seeds and not request.wants_filters:
        argument, method = b"9:info_hash20:" + request.info_hash.value.to_bytes(20, "big"), b"9:get_peers"
    elif isinstance(request, Ping):
        method = b"4:ping"
    else:
        return None
    if query.want and argument:
        want = _NAMES_OF_WANTS.get(query.want, b"")
        if not want:
            return None
    version, transaction_id = query.version, query.transaction_id
    return b"d1:ad2:id20:%b%b%be1:q%b%b1:t%d:%b%b1:y1:qe" % (  # and no calls in here: they are half of the time
        query.sender.value.to_bytes(20, "big"),
        argument,
        want,
        method,
        b"2:roi1e" if query.is_read_only else b"",
        len(transaction_id),
        transaction_id,
        b"1:v%d:%b" % (len(version), version) if version else b"",
    )


def _write_response(response: Response) -> bytes | None:
    if response.filters is not None or response.item is not None or response.sample is not None:
        return None
    peers = b""
    if response.peers:
        peers = b"6:valuesl%be" % b"".join([_string(b"", peer.compact()) for peer in response.peers])
    seen_at, token = response.external_address, response.token
    return b"d%b1:rd2:id20:%b%b%b%b%be%b%b1:y1:re" % (
        _string(b"2:ip", seen_at.compact()) if seen_at is not None else b"",
        bytes(response.sender),
        _string(b"5:nodes", _joined(response.nodes)) if response.nodes else b"",
        _string(b"6:nodes6", _joined(response.nodes6)) if response.nodes6 else b"",
        _string(b"5:token", token) if token is not None else b"",
        peers,
        _string(b"1:t", response.transaction_id),
        _string(b"1:v", response.version) if response.version else b"",
    )


def _want_at(data: bytes, at: int) -> tuple[bytes, tuple[int, ...]]:
    """The argument `want` at this place, and what it says; empty for anything else."""
    for want, name in _NAMES_OF_WANTS.items():
        if data.startswith(name, at):
            return name, want
    return b"", ()


def _joined(contacts: Iterable[Contact]) -> bytes:
    return b"".join([contact.compact() for contact in contacts])


def _string(name: bytes, value: bytes) -> bytes:
    return b"%b%d:%b" % (name, len(value), value)


HEAD = b"d1:ad2:id20:"
TARGET, INFO_HASH = b"6:target20:", b"9:info_hash"
FIND_NODE, GET_PEERS, PING = b"e1:q9:find_node", b"e1:q9:get_peers", b"e1:q4:ping"
_key = Key.from_bytes
SHORTEST_BYTES = len(b"d1:ad2:id20:" + bytes(20) + b"e1:q4:ping1:t2:aa1:y1:qe")
_NODES6 = b"6:nodes6"
_RESPONSE_HEAD = re.compile(
    rb"d(?:2:ip(?:6:(.{6})|18:(.{18})))?1:rd2:id20:(.{20})(?:(5:nodes|6:nodes6)([1-9][0-9]{1,2}):)?", re.DOTALL
)
_TOKEN_SIZE = re.compile(rb"([1-9][0-9]?):")
_PEER = re.compile(rb"6:(.{6})|18:(.{18})", re.DOTALL)
_PEERS = re.compile(rb"((?:6:.{6}|18:.{18}){0,1000})e", re.DOTALL)
_RESPONSE_END = re.compile(rb"e1:t(?:2:(..)|4:(.{4}))(?:1:v4:(.{4}))?1:y1:re", re.DOTALL)
_address = lru_cache(maxsize=256)(Address.from_compact)  # nearly all see us at the same place
_ID_SIZES = {b"1:t2:": 2, b"1:t4:": 4}  # nearly all nodes'; ours have 4
_NAMES_OF_WANTS = {(4,): b"4:wantl2:n4e", (6,): b"4:wantl2:n6e", (4, 6): b"4:wantl2:n42:n6e"}
