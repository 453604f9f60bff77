"""Asking one core of a virtual network by hand, as a node would that nobody knows."""

from __future__ import annotations

from kademlia_core import Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.messages import Message, Query, Request, Response
from tests.unit.kademlia_core.virtual_network import VirtualNetwork
from transfer.address import Address

OUTSIDER, OUTSIDER_KEY = Address("10.9.9.9", 1234), Key.from_bytes(b"o" * 20)
TRANSACTION_ID = b"\x00of any length\xff"


def exchange(network: VirtualNetwork, address: Address, data: bytes, source: Address = OUTSIDER) -> list[bytes]:
    """The datagrams other than queries that come back."""
    network.outsiders.clear()
    network.send(data, source, address)
    network.run(0.2)
    return [data for data, _, to in network.outsiders if to == source and not isinstance(krpc.decode(data), Query)]


def ask(network: VirtualNetwork, address: Address, request: Request, source: Address = OUTSIDER) -> Message:
    query = Query(TRANSACTION_ID, OUTSIDER_KEY, request, is_read_only=True)
    (data,) = exchange(network, address, krpc.encode(query), source)
    reply = krpc.decode(data)
    assert reply.transaction_id == TRANSACTION_ID
    return reply


def answer(network: VirtualNetwork, address: Address, request: Request, source: Address = OUTSIDER) -> Response:
    """The answer, where an error would be a failure of the test."""
    reply = ask(network, address, request, source)
    assert isinstance(reply, Response), reply
    return reply
