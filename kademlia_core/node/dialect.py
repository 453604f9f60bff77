"""The plug for what nodes say to one another and what they keep: the mainline is one dialect, yours may be another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.node.messages import ErrorReply, Message, Query, Request, Response
    from kademlia_core.node.tokens import TokenIssuer
    from transfer.address import Address


class Dialect(Protocol):
    """A language of datagrams over keys of `key_bits` bits, together with the records its speakers keep.

    One object serves one `NodeCore`. It asks nothing by itself; what it asks on command are `Request`s of its own that
    travel in a `Search`.
    """

    key_bits: int
    max_answer_contacts: int
    """How many contacts of each address family one answer can name."""

    def decode(self, data: bytes) -> Message:
        """The message that a datagram holds.

        Raises:
            MessageError: anything else.
        """
        ...

    def encode(self, message: Message) -> bytes:
        """The datagram for a message."""
        ...

    def answer(self, query: Query, source: Address, view: NodeView, *, now: float) -> Response | ErrorReply:
        """What to say to a query from `source`, `Ping` and `FindNode` included."""
        ...

    def quick_answer(self, data: bytes, source: Address, view: NodeView, *, now: float) -> tuple[Key, bytes] | None:
        """Who asks and what to say, if a datagram is a query that can be answered without taking it apart.

        The same as what `decode`, `answer` and `encode` would make of a query from a node that is not read-only, and
        nothing may be kept of it: the node may have to drop the answer. None for everything else.
        """
        ...

    def node_id_for(self, host: str, rng: Random) -> Key | None:
        """A key that suits a node at this address; None where every key does."""
        ...

    def is_trusted(self, contact: Contact) -> bool:
        """Whether the key suits the address. Tables and lookups prefer such contacts."""
        ...

    def moved(self, own_key: Key) -> None:
        """The node has another key now."""
        ...

    def expire(self, *, now: float) -> None:
        """Called now and then: forget what is too old."""
        ...

    def check_invariants(self) -> None:
        """Asserts what the records promise."""
        ...


class NodeView(Protocol):
    """What a dialect sees of its node while it answers."""

    @property
    def node_id(self) -> Key: ...

    @property
    def is_ipv6(self) -> bool: ...

    @property
    def tokens(self) -> TokenIssuer: ...

    def nodes_for(self, target: Key, query: Query) -> tuple[tuple[Contact, ...], tuple[Contact, ...]]:
        """The IPv4 and the IPv6 contacts closest to `target` that an answer to `query` names, in no order."""
        ...

    def compact_nodes_for(self, target: Key) -> bytes:
        """The compact forms of the contacts of this node's address family that `nodes_for` gives."""
        ...

    def prove(self, source: Address, *, now: float) -> None:
        """`source` has shown that it receives what is sent to it: it returned a token of ours."""
        ...


class Harvest(Protocol):
    """What a search gathers on its way to the closest nodes."""

    def on_response(self, contact: Contact, response: Response) -> tuple[object, ...]:
        """An answer to the search's request; returns what is news to the owner of the search."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the search may end before the closest nodes are known."""
        ...


class Placement(Protocol):
    """What is left with the closest nodes when the lookup has ended."""

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        """Whom to tell what. `contacts` are the closest that answered, closest first, each with the token it gave."""
        ...
