"""How much room one torrent has for more connections, and which of its own makes room. Pure."""

from __future__ import annotations

from bittorrent.dialling.config import DiallingConfig
from bittorrent.dialling.connected_peer import ConnectedPeer
from bittorrent.dialling.connections import Connection, Connections, Stage
from bittorrent.dialling.turnover import Turnover
from transfer.address import Address
from transfer.limits.admission import AdmissionCore
from transfer.limits.places import Group
from transfer.limits.refusal import Refusal
from transfer.limits.resources import Resource


class Room:
    """Looks at a torrent's connections and at those of the session.

    What makes room is a number of a connection that the caller ends; None: nobody does. Where only the end of an
    inbound or of an outbound connection helps, only such ones come into question.
    """

    def __init__(
        self,
        connections: Connections,
        admission: AdmissionCore,
        group: Group,
        turnover: Turnover[ConnectedPeer],
        config: DiallingConfig,
    ) -> None:
        self._connections = connections
        self._admission = admission
        self._group = group
        self._turnover = turnover
        self._config = config

    @property
    def is_full(self) -> bool:
        """Whether the torrent has as many connections as one may have."""
        return len(self._connections) >= self._config.max_connections

    def lacking(self, *, is_inbound: bool) -> Resource | None:
        """What has run out for all torrents together."""
        return self._admission.lacking(self._group, is_inbound=is_inbound)

    def refusal(self, lacking: Resource | None) -> Refusal | None:
        """What one more is told: the torrent is full, or the session lacks this; None: it fits."""
        if self.is_full:
            return Refusal(
                limit="max_connections_per_torrent",
                scope=self._group.scope.name,
                what="connections",
                in_use=len(self._connections),
                most=self._config.max_connections,
            )
        return None if lacking is None else self._admission.shortage(lacking)

    def to_call(self, *, now: float) -> int:
        """How many calls may begin."""
        config = self._config
        begun = list(self._connections.begun())
        slow = sum(now - connection.since >= config.slow_dial_s for connection in begun)  # they hold no other up
        return max(
            0,
            min(
                config.max_connections - len(self._connections),
                config.max_dialling - len(begun) + min(slow, config.max_dialling),
                self._admission.room_to_call(self._group),
            ),
        )

    # Who makes it

    def for_newcomer(
        self, newcomer: Address, *, is_host_full: bool, lacking: Resource | None, now: float
    ) -> int | None:
        """For a peer that has called us."""
        if not is_host_full and lacking is not Resource.CONNECTIONS_IN:
            slow = [it for it in self._connections.begun() if self._gives_way(it, now=now)]
            if slow:
                return min(slow, key=lambda it: it.since).number
        among = None if lacking is None else self._that_free(lacking)
        return self._number_of(self._turnover.for_newcomer(newcomer, is_host_full=is_host_full, among=among, now=now))

    def for_call(self, *, now: float) -> int | None:
        """For a peer that is to be called, if there is no room for it."""
        lacking = self.lacking(is_inbound=False)
        if lacking is None and not self.is_full:
            return None
        among = None if lacking is None else self._that_free(lacking)
        return self._number_of(self._turnover.for_call(among=among, now=now))

    def for_others(self, *, now: float) -> tuple[int, Refusal | None] | None:
        """For a torrent that has next to nobody, if this one owes it; and what its peer is to be told."""
        owed = self._admission.owes(self._group)
        if owed is None:
            return None
        number = self._number_of(self._turnover.for_others(among=self._that_free(owed), now=now))
        return None if number is None else (number, self._admission.shortage(owed))

    def _number_of(self, peer: ConnectedPeer | None) -> int | None:
        return None if peer is None else self._connections.number_of(peer)

    def _that_free(self, lacking: Resource) -> dict[int, ConnectedPeer]:
        """The peers whose end helps where this has run out; those of this process never do."""
        found = {}
        for number, peer in self._connections.met.items():
            connection = self._connections[number]
            is_wrong = lacking is (Resource.CONNECTIONS_IN if connection.is_called else Resource.CONNECTIONS_OUT)
            if connection.seat is not None and not is_wrong:
                found[number] = peer
        return found

    def _gives_way(self, connection: Connection, *, now: float) -> bool:
        """Whether we called it, and it has said nothing for so long."""
        is_slow = now - connection.since >= self._config.slow_dial_s
        return connection.stage is Stage.GREETING and is_slow and not connection.is_leaving
