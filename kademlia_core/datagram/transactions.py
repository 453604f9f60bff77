"""Queries that await an answer in a datagram, matched on transaction id and source address alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.engine.query_port import PendingQuery

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.engine.query_port import Asker
    from kademlia_core.engine.requests import Request
    from transfer.address import Address

TRANSACTION_ID_SIZE = 4  # off-path attackers must guess it; libtorrent's 2 bytes fall to 65,536 spoofed datagrams


class Transaction(PendingQuery):
    """One query on its way, and until when it is waited for."""

    __slots__ = ("address", "deadline", "transaction_id")

    def __init__(
        self,
        transaction_id: bytes,
        address: Address,
        request: Request,
        asker: Asker,
        contact: Contact | None,
        deadline: float,
    ) -> None:
        self.endpoint = self.address = address  # all of it here: a call less for each query
        self.request = request
        self.asker = asker
        self.contact = contact
        self.sent_bytes = self.answer_bytes = 0
        self.transaction_id = transaction_id
        self.deadline = deadline


class Transactions:
    """All queries on their way, at most `limit`.

    Invariant: in the order of their deadlines, since all have the same time-out and time does not run backwards.
    """

    def __init__(self, *, rng: Random, timeout_s: float, limit: int) -> None:
        self._rng = rng
        self._timeout_s = timeout_s
        self._limit = limit
        self._pending: dict[tuple[bytes, Address], Transaction] = {}
        self._awaited: dict[Address, int] = {}  # quicker than a Counter, which makes a call of each miss

    def open(
        self, address: Address, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> Transaction | None:
        """A new transaction, or None when too many are open."""
        if len(self._pending) >= self._limit:
            return None
        transaction_id = self._rng.randbytes(TRANSACTION_ID_SIZE)
        while (transaction_id, address) in self._pending:
            transaction_id = self._rng.randbytes(TRANSACTION_ID_SIZE)
        transaction = Transaction(transaction_id, address, request, asker, contact, now + self._timeout_s)
        self._pending[transaction_id, address] = transaction
        self._awaited[address] = self._awaited.get(address, 0) + 1
        return transaction

    def close(self, transaction_id: bytes, source: Address) -> Transaction | None:
        """The transaction that a reply belongs to, which thereby ends; None for a reply that is not awaited."""
        transaction = self._pending.pop((transaction_id, source), None)
        if transaction is not None:
            left = self._awaited[source] - 1
            if left:
                self._awaited[source] = left
            else:
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
