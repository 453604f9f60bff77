"""Peers that are to be called now, because they call us now: another peer told both (BEP 55). Pure."""

from __future__ import annotations

from collections.abc import Callable

from bittorrent.dialling.calls import Calls, Order
from bittorrent.dialling.connections import Connection, Connections, Stage
from bittorrent.dialling.decisions import Call
from bittorrent.dialling.peer_list import PeerSource
from transfer.address import Address


class Invitations:
    """Who waits to be called, and how: the paths of other calls to the same peer are shared out again.

    Invariants:
        at most MAX_INVITATIONS wait, none for longer than until calls are made the next time
    """

    def __init__(self, calls: Calls, connections: Connections) -> None:
        self._calls = calls
        self._connections = connections
        self._waiting: dict[Address, None] = {}

    def add(self, address: Address, *, now: float) -> bool:
        """A peer calls us now, as others say; whether it may be called."""
        if self._calls.peers.is_own(address) or self._calls.peers.is_banned(address):
            return False
        if len(self._waiting) >= MAX_INVITATIONS:
            return False
        self._calls.peers.add(address, PeerSource.PEX, now=now)  # no better and no worse than others that peers name
        self._waiting[address] = None
        return True

    def calls(
        self, room: int, *, call: Callable[[Address, Order], Call | None], give_up: Callable[[int], None]
    ) -> list[Call]:
        """Calls to whoever waits; from now on nobody does. Who there is no room for is not called: later is too late.

        Args:
            call: makes one, if there is a place for it.
            give_up: ends one that was not accepted yet.
        """
        waiting, self._waiting = list(self._waiting), {}
        calls: list[Call] = []
        for address in waiting[: max(0, room)]:
            order, replaced = self._prepare(address)
            if replaced is not None:
                give_up(replaced.number)
            made = call(address, order) if order else None
            if made is not None:
                calls.append(made)
            elif order and not self._connections.has_call_to(address):
                self._calls.peers.released(address)
        return calls

    @property
    def is_waiting(self) -> bool:
        """Whether somebody is to be called now."""
        return bool(self._waiting)

    def check_invariants(self) -> None:
        """Asserts the bound."""
        assert len(self._waiting) <= MAX_INVITATIONS

    def _prepare(self, address: Address) -> tuple[Order, Connection | None]:
        """How a peer is called, and the call that ends for it. Nothing at all if it is met, or called that way already.

        A call over each of two transports may be under way; the one over ours has its first packets lost at the other
        side's box, and would wait too long with the next.
        """
        calls = self._connections.calls_to(address)
        is_met = address in self._connections.endpoints()
        if is_met or any(one.stage is not Stage.CALLING or one.order[0].is_introduced for one in calls):
            return (), None
        order = self._calls.introduced(address)
        if not order:
            return (), None
        for one in calls:
            one.order = tuple(path for path in one.order if not path.is_introduced)
        if len(calls) < 2:
            return order, None
        ending = next((one for one in calls if one.order[0].transport == order[0].transport), calls[-1])
        return order + ending.order, ending


MAX_INVITATIONS = 16
