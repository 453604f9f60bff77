"""Calls that are made over another transport beside one that is not accepted at once. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bittorrent.dialling.calls import Order
from bittorrent.dialling.connections import Connection, Connections, Stage
from bittorrent.dialling.decisions import Call
from bittorrent.dialling.paths import split_for_race
from bittorrent.dialling.peer_list import PeerList
from transfer.address import Address


class Races:
    """When each call is to have a rival, and which calls are over because their rival was faster.

    Args:
        connections: all of the torrent: live.
        peers: that are known: live.

    Invariants:
        only calls that were not accepted yet have a rival, or will have one; and one at most
    """

    def __init__(self, connections: Connections, peers: PeerList) -> None:
        self._connections = connections
        self._peers = peers
        self._due: dict[int, float] = {}
        self._given_up: list[int] = []

    def plan(self, connection: Connection, *, due: float) -> None:
        """A call gets a rival then, if it has another transport left and no rival yet."""
        if self._connections.rival_of(connection) is None and split_for_race(connection.order)[1]:
            self._due[connection.number] = due

    def calls(
        self, room: int, *, call: Callable[[Address, Order], Call | None], put_off_to: float, now: float
    ) -> list[Call]:
        """Calls over another transport to peers that have not accepted yet; what there is no room for waits.

        Args:
            call: makes one, if there is a place for it.
        """
        calls: list[Call] = []
        for number in [number for number, due in self._due.items() if due <= now]:
            if len(calls) >= room:
                self._due[number] = put_off_to
                continue
            del self._due[number]
            connection = self._connections[number]
            if self._connections.rival_of(connection) is not None:
                continue  # it was called out of its turn meanwhile
            own, others = split_for_race(connection.order)
            if self._peers.is_dialling(connection.address):  # or else it was banned or forgotten meanwhile
                made = call(connection.address, others)
                if made is not None:
                    connection.order = own
                    calls.append(made)
        return calls

    def forget(self, number: int) -> None:
        """A call is over, or was accepted."""
        self._due.pop(number, None)

    def give_up(self, number: int) -> None:
        """A call is over, and its shell has to hear of it."""
        self._given_up.append(number)

    def take_given_up(self) -> list[int]:
        """The calls that were given up since this was asked last."""
        given_up, self._given_up = self._given_up, []
        return given_up

    @property
    def next_at(self) -> float | None:
        """When the next rival is due; it may have passed."""
        return min(self._due.values()) if self._due else None

    def check_invariants(self, *, most: int) -> None:
        """Asserts what the class docstring promises, and that no more than `most` wait to be given up."""
        calling = {one.number for one in self._connections if one.stage is Stage.CALLING}
        assert self._due.keys() <= calling
        assert len(self._given_up) <= most
