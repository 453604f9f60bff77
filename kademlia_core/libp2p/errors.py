"""What is wrong with messages and records of libp2p's DHT."""

from __future__ import annotations

from kademlia_core.errors import KademliaError
from transfer.errors import DecodeError


class KadMessageError(DecodeError):
    """Bytes that are no message of the protocol, or a longer one than is taken."""


class RecordError(DecodeError):
    """A value that does not belong under its key: unknown namespace, wrong signature, too old, too long."""


class RequestRefusedError(KademliaError):
    """A request that this node does not answer. The stream it came on is to be reset, as deployed peers do."""
