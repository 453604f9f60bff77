"""The plug for what nodes say in datagrams, and what they keep: the mainline is one dialect, yours may be another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from kademlia_core.datagram.messages import ErrorReply, MessageError, Query, Response

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.datagram.families import Families
    from kademlia_core.datagram.tokens import TokenIssuer
    from kademlia_core.engine.requests import Request
    from kademlia_core.key import Key
    from transfer.address import Address


QueryT = TypeVar("QueryT", bound=Query)
ResponseT = TypeVar("ResponseT", bound=Response)
ErrorT = TypeVar("ErrorT", bound=ErrorReply)


class Dialect(Protocol[QueryT, ResponseT, ErrorT]):
    """A language of datagrams over keys of `key_bits` bits, together with the records its speakers keep.

    One object serves one `NodeCore`. It asks nothing by itself; what it asks on command are `Request`s of its own that
    travel in a lookup. Its messages derive from those of `kademlia_core.datagram.messages`.
    """

    key_bits: int
    max_answer_contacts: int
    """How many contacts of each address family one answer can name."""

    def decode(self, data: bytes) -> QueryT | ResponseT | ErrorT:
        """The message that a datagram holds.

        Raises:
            MessageError: anything else.
        """
        ...

    def encode(self, message: QueryT | ResponseT | ErrorT) -> bytes:
        """The datagram for a message."""
        ...

    def query(self, transaction_id: bytes, request: Request, view: NodeView) -> QueryT:
        """How this node puts a request."""
        ...

    def is_contact(self, query: QueryT) -> bool:
        """Whether the node that asks answers queries, too, so that it may enter a table."""
        ...

    def answer(self, query: QueryT, source: Address, view: NodeView, *, now: float) -> ResponseT | ErrorT | None:
        """What to say to a query from `source`, `Ping` and `FindNode` included; None says nothing."""
        ...

    def quick_answer(self, data: bytes, source: Address, view: NodeView, *, now: float) -> tuple[Key, bytes] | None:
        """Which node asks and what to say, if a datagram is a query that can be answered without taking it apart.

        The same as what `decode`, `answer` and `encode` would make of a query from a node that may be a contact, and
        nothing may be kept of it: the node may have to drop the answer. None for everything else.
        """
        ...

    def refuse(self, error: MessageError) -> ErrorT | None:
        """What to say to a datagram that is no valid message; None says nothing."""
        ...

    def contacts_in(self, response: ResponseT, teller: Address, view: NodeView, *, now: float) -> tuple[Contact, ...]:
        """The contacts that a response from `teller` names, as far as this node can use and should believe them."""
        ...

    def receive_response(self, response: ResponseT, source: Address, view: NodeView, *, now: float) -> Key | None:
        """A node at `source` answered a query of ours.

        Returns the key that this node has from now on, if it is to have another one than before.
        """
        ...

    def is_trusted(self, contact: Contact) -> bool:
        """Whether the key suits the address. Tables and lookups prefer such contacts."""
        ...

    def expire(self, *, now: float) -> None:
        """Called now and then: forget what is too old."""
        ...

    def check_invariants(self) -> None:
        """Asserts what the records promise."""
        ...


class NodeView(Protocol):
    """What a dialect sees of its node while it asks and answers."""

    @property
    def node_id(self) -> Key: ...

    @property
    def is_ipv6(self) -> bool: ...

    @property
    def families(self) -> Families: ...

    @property
    def tokens(self) -> TokenIssuer: ...

    def nodes_for(self, target: Key, families: tuple[int, ...] = ()) -> tuple[tuple[Contact, ...], tuple[Contact, ...]]:
        """The IPv4 and the IPv6 contacts closest to `target` that an answer names, in no order.

        They are of this node's own address family unless `families` (4, 6) says otherwise.
        """
        ...

    def compact_nodes_for(self, target: Key) -> bytes:
        """The compact forms of the contacts of this node's address family that `nodes_for` gives."""
        ...

    def prove(self, source: Address, *, now: float) -> None:
        """`source` has shown that it receives what is sent to it: it returned a token of ours."""
        ...
