"""Entering the network: ask the bootstrap addresses, look up one's own key, refresh the far buckets, try again."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from kademlia_core.node.messages import FindNode
from kademlia_core.node.searches import Network, Search

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.node.config import NodeConfig
    from kademlia_core.node.messages import ErrorReply, Response
    from kademlia_core.node.transactions import Transaction
    from kademlia_core.node.upkeep import TableUpkeep
    from kademlia_core.routing_table import RoutingTable
    from transfer.address import Address


class JoinState(Enum):
    """IDLE before the first attempt; FAILED between attempts."""

    IDLE = "idle"
    JOINING = "joining"
    JOINED = "joined"
    FAILED = "failed"


class Joining:
    """Brings the node into the network and notices when it has fallen out.

    Joined means: the lookup of the own key has ended, or awaits only slow nodes, or the table holds a bucket full of
    nodes already: who wants to look something up need not wait for the dead. The far buckets are filled behind that
    lookup, once; later on, `upkeep` refreshes what turns stale. When all contacts turn bad later, the bootstrap
    addresses are wanted again. `changed` is set on each change of `state` and reset by the owner; `is_wanted` asks the
    owner for (freshly resolved) addresses, which it hands to `join`.
    """

    def __init__(self, table: RoutingTable, *, network: Network, upkeep: TableUpkeep, config: NodeConfig) -> None:
        self._table = table
        self._network = network
        self._upkeep = upkeep
        self._config = config
        self._search: Search | None = None
        self._awaited: dict[Address, int] = {}  # bootstrap address to how often it has been asked
        self._retry_at: float | None = None
        self._retry_s = config.join_retry_s
        self._can_retry = False
        self._is_far_filled = False
        self._is_restoring = False
        self._patient_until: float | None = None  # with those whom the node knew when it last ran
        self.state = JoinState.IDLE
        self.changed = False
        self.is_wanted = False

    def join(self, addresses: tuple[Address, ...], *, alone: bool, now: float) -> None:
        """Asks `addresses`. With none, joining has failed, or a network is started when `alone` is set."""
        self._can_retry = not alone
        self._retry_at = None
        self._awaited = {}
        self._enter(JoinState.JOINING)
        for address in addresses:
            self._ask(address, now)
        if alone:
            self._enter(JoinState.JOINED)
        elif not self._awaited:
            self._settle(now)

    def restore(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Tries whom the node knew when it last ran. Bootstrap addresses are wanted only if none of them answers soon.

        Whoever comes back after months need not wait until hundreds have been tried.
        """
        self._can_retry = self._is_restoring = True
        self._patient_until = now + self._config.query_timeout_s
        self._enter(JoinState.JOINING)
        self._look_up_own_key(list(contacts), now)

    def move(self, *, now: float) -> None:
        """The node has another key now: it makes itself known to its new neighbours."""
        self._is_far_filled = False
        if self._search is not None:
            self._search.cancel()
        self._look_up_own_key([], now)

    def on_response(self, transaction: Transaction, response: Response, *, now: float) -> None:
        self._awaited.pop(transaction.address, None)
        told = self._network.contacts_in(response, transaction.address, now=now)
        contacts = [contact for contact in told if contact.key != self._table.own_key]
        if self._search is not None:
            self._search.add_candidates(contacts, now=now)
        else:
            self._look_up_own_key(contacts, now)

    def on_failure(self, transaction: Transaction, *, error: ErrorReply | None = None, now: float) -> None:
        attempts = self._awaited.pop(transaction.address, None)
        if attempts is None:
            return
        if attempts < self._config.join_attempts and self.state is JoinState.JOINING:
            self._ask(transaction.address, now, attempts)
        if not self._awaited:
            self._settle(now)

    def on_table_growth(self, *, now: float) -> None:
        """A node has entered the table."""
        if self.state is JoinState.JOINING and len(self._table) >= self._table.config.bucket_size:
            self._joined()
        elif self.state is JoinState.JOINING and self._search is None:
            self._look_up_own_key([], now)
        elif self.state is JoinState.FAILED:  # somebody found us: the network is back
            self._enter(JoinState.JOINING)
            self._look_up_own_key([], now)

    def on_found(self, search: Search, found: tuple[object, ...]) -> None:
        """A lookup of nodes finds nothing else."""

    def on_search_finished(self, search: Search, *, now: float) -> None:
        self._search = None
        if not self._is_far_filled:
            self._is_far_filled = self._upkeep.fill_far_buckets(now=now)
        self._settle(now)

    def handle_timer(self, *, now: float) -> None:
        if self._search is not None:
            self._search.handle_timer(now=now)
        if self._patient_until is not None and now >= self._patient_until:
            self._lose_patience(now)
        # Read again: the search may have ended just now.
        if self.state is JoinState.JOINING and self._search is not None and self._search.awaits_only_slow:
            self._joined()
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self.is_wanted = True

    def next_timer(self) -> float | None:
        deadlines = [
            self._retry_at,
            self._patient_until,
            self._search.next_timer() if self._search is not None else None,
        ]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def check_connection(self, *, now: float) -> None:
        """Called now and then: wants to join again when every contact has turned bad."""
        is_idle = self.state is JoinState.JOINED and self._retry_at is None and not self.is_wanted
        if is_idle and self._can_retry and not self._has_contacts():
            self._retry_later(now)

    def _ask(self, address: Address, now: float, attempts: int = 0) -> None:
        if self._network.ask(address, FindNode(self._table.own_key), self, now=now):
            self._awaited[address] = attempts + 1

    def _look_up_own_key(self, contacts: list[Contact], now: float) -> None:
        own_key = self._table.own_key
        contacts = contacts + self._table.closest(own_key, self._config.lookup.k)
        self._search = Search(
            FindNode(own_key),
            own_key,
            contacts,
            network=self._network,
            owner=self,
            config=self._config,
            own_key=own_key,
        )
        self._search.start(now=now)

    def _lose_patience(self, now: float) -> None:
        self._patient_until = None
        if not self._is_restoring:
            return
        if self._search is not None:
            self._search.cancel()
            self._search = None
        if self._has_contacts():
            self._look_up_own_key([], now)  # begin anew with those who live
        else:
            self._settle(now)

    def _settle(self, now: float) -> None:
        """Decides when the lookup has ended or nobody is left to begin one; one dead router does not matter."""
        if self._search is not None or self.state is JoinState.JOINED:
            return
        if self._has_contacts():
            self._joined()
        elif self._is_restoring:
            self._is_restoring = False
            self.is_wanted = True
        elif not self._awaited and self.state is not JoinState.FAILED:
            self._enter(JoinState.FAILED)
            self._retry_later(now)

    def _has_contacts(self) -> bool:
        """Whether anybody in the table is not bad."""
        return bool(self._table.closest(self._table.own_key, 1, max_failures=self._table.config.bad_after_failures - 1))

    def _joined(self) -> None:
        self._is_restoring = False
        self._retry_at = self._patient_until = None
        self._retry_s = self._config.join_retry_s
        self._enter(JoinState.JOINED)

    def _retry_later(self, now: float) -> None:
        self._retry_at = now + self._retry_s
        self._retry_s = min(2 * self._retry_s, self._config.join_retry_max_s)

    def _enter(self, state: JoinState) -> None:
        self.changed = self.changed or state is not self.state
        self.state = state
