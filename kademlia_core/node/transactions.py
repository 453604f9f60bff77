"""Queries that await an answer, matched on transaction id and source address alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.node.messages import ErrorReply, Request, Response
    from transfer.address import Address

TRANSACTION_ID_SIZE = 4  # off-path attackers must guess it; libtorrent's 2 bytes fall to 65,536 spoofed datagrams


class Asker(Protocol):
    """Whoever wants to know how a query ended; exactly one of the two is called, once."""

    def on_response(self, transaction: Transaction, response: Response, *, now: float) -> None: ...

    def on_failure(self, transaction: Transaction, *, error: ErrorReply | None = None, now: float) -> None:
        """Silence, an answer of somebody else, or a refusal: then `error` says why."""
        ...


@dataclass(slots=True, eq=False)
class Transaction:
    """One query on its way. `contact` is None when the key behind `address` is not known yet.

    `answer_bytes` is the size of the datagram that answered it.
    """

    transaction_id: bytes
    address: Address
    contact: Contact | None
    request: Request
    asker: Asker
    deadline: float
    answer_bytes: int = 0


class Transactions:
    """All queries on their way, at most `limit`.

    Invariant: in the order of their deadlines, since all have the same time-out and time does not run backwards.
    """

    def __init__(self, *, rng: Random, timeout_s: float, limit: int) -> None:
        self._rng = rng
        self._timeout_s = timeout_s
        self._limit = limit
        self._pending: dict[tuple[bytes, Address], Transaction] = {}
        self._awaited: Counter[Address] = Counter()

    def open(
        self, address: Address, contact: Contact | None, request: Request, asker: Asker, *, now: float
    ) -> Transaction | None:
        """A new transaction, or None when too many are open."""
        if len(self._pending) >= self._limit:
            return None
        transaction_id = self._rng.randbytes(TRANSACTION_ID_SIZE)
        while (transaction_id, address) in self._pending:
            transaction_id = self._rng.randbytes(TRANSACTION_ID_SIZE)
        transaction = Transaction(transaction_id, address, contact, request, asker, now + self._timeout_s)
        self._pending[transaction_id, address] = transaction
        self._awaited[address] += 1
        return transaction

    def close(self, transaction_id: bytes, source: Address) -> Transaction | None:
        """The transaction that a reply belongs to, which thereby ends; None for a reply nobody waits for."""
        transaction = self._pending.pop((transaction_id, source), None)
        if transaction is not None:
            self._awaited[source] -= 1
            if not self._awaited[source]:
                del self._awaited[source]
        return transaction

    def close_expired(self, *, now: float) -> list[Transaction]:
        """The transactions whose time has run out, oldest first."""
        expired: list[Transaction] = []
        for transaction in self._pending.values():
            if transaction.deadline > now:
                break
            expired.append(transaction)
        for transaction in expired:
            self.close(transaction.transaction_id, transaction.address)
        return expired

    def awaits(self, source: Address) -> bool:
        """Whether any answer from `source` is awaited."""
        return source in self._awaited

    def next_timer(self) -> float | None:
        for transaction in self._pending.values():
            return transaction.deadline
        return None

    def __len__(self) -> int:
        return len(self._pending)
