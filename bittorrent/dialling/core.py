"""Which peers one torrent calls, by which path, which it lets in, and which make room.

Pure: no socket, no task, no clock.

The shell makes the calls it is told to make, reports of each connection how far it came, and ends those it is told to
end. A connection is a number, from the call or from the moment it is let in:

    calls_to_make -> CALLING --opened--> GREETING --met, joined--> MET
                        |                   |                       |
                      missed              ended                   ended
                        |                   |
                        +-- the next path, or the peer is backed off once

    admit, or join -> GREETING --met, joined--> MET --ended

A peer that is not quick to accept is called over another transport as well. Each of the two calls has its own paths to
try; the first that is opened inherits what the other has left, and the other is given up (`calls_to_give_up`).

A peer that calls us now because another one told both (`invite`) is called at once, out of its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from bittorrent.dialling.calls import Calls
from bittorrent.dialling.config import DiallingConfig
from bittorrent.dialling.connected_peer import ConnectedPeer
from bittorrent.dialling.connections import Connection, Connections, Stage
from bittorrent.dialling.decisions import Admission, Call, Eviction, Meeting
from bittorrent.dialling.invitations import Invitations
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.paths import DialPath, PathFailure
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.dialling.races import Races
from bittorrent.dialling.room import Room
from bittorrent.dialling.targets import TargetRule
from bittorrent.dialling.turnover import Turnover
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.origin import Origin
from transfer.address import Address
from transfer.limits.admission import AdmissionCore
from transfer.limits.places import Seat
from transfer.limits.refusal import Refusal


class DiallingCore:
    """The connection policy of one torrent.

    Args:
        torrent_id: what is known of the hashes of the torrent.
        own_id: our peer id.
        own_host: where we listen; all addresses of this host (`0.0.0.0`) are one of it, too.
        admission: the connections of the whole session, of which the torrent is a group.
        name: of the torrent, for refusals.
        targets: what others may make us call.
        rng: chooses among equals.
        introduces: whether a connected peer can introduce us to an endpoint.

    Attributes:
        peers: the endpoints that are known.
        paths: what is known of the ways to each.
        greetings: by which hash each of them is called.
        last_met_at: when a peer was met that was news.

    Invariants:
        never more calls than `config.max_connections` and the session leave room for, nor more of them in the making
            than twice `config.max_dialling` and the session allow
        no endpoint is called that is banned, blocked, our own, connected, or being called
        a newcomer comes in only where there is room, or another peer leaves for it
        no endpoint is called twice but over two transports, and never any more once it has accepted a call
        a peer that could not be met over one path is called over the next one that is left, and backed off once if none
            is
        what is remembered is bounded by the config
    """

    def __init__(
        self,
        torrent_id: TorrentId,
        *,
        own_id: bytes,
        own_host: str,
        admission: AdmissionCore,
        targets: TargetRule,
        rng: Random,
        config: DiallingConfig,
        name: str = "the torrent",
        introduces: Callable[[Address], bool] = lambda address: False,
    ) -> None:
        self._calls = Calls(
            torrent_id, own_host=own_host, targets=targets, introduces=introduces, rng=rng, config=config
        )
        self.peers, self.paths, self.greetings = self._calls.peers, self._calls.paths, self._calls.greetings
        self.last_met_at: float | None = None
        self._own_id = own_id
        self._admission = admission
        self._group = admission.join(name)
        self._config = config
        self._connections = Connections(admission)
        self._turnover = Turnover(self._connections.met, rank=self.peers.rank, config=config.turnover)
        self._room = Room(self._connections, admission, self._group, self._turnover, config)
        self._races = Races(self._connections, self.peers)
        self._invitations = Invitations(self._calls, self._connections)
        self._is_held = False
        self._is_closed = False

    # Commands

    def hold(self) -> None:
        """Makes and takes no connections until `resume`."""
        self._is_held = True

    def resume(self, *, now: float) -> None:
        """Makes and takes connections again, and no endpoint has to wait."""
        self._is_held = False
        self.peers.call_again(now=now)

    def close(self) -> None:
        """Makes and takes no connections any more. Calls that were not accepted are given up: not their fault."""
        self._is_closed = True
        for number in [connection.number for connection in self._connections if connection.stage is Stage.CALLING]:
            self._remove(number)
        self._admission.part(self._group)

    def invite(self, address: Address, *, now: float) -> bool:
        """The peer at this endpoint calls us now, as another one says (BEP 55): it is called at once, if there is room.

        Returns:
            Whether there will be a call when `calls_to_make` is asked.
        """
        return self.takes_connections and self._invitations.add(address, now=now)

    def ban(self, address: Origin) -> tuple[Eviction, ...]:
        """Has nothing to do with a host any more."""
        self.peers.ban(address)
        return self._evict_banned("the peer is banned")

    def set_filter(self, blocked: IpFilter) -> tuple[Eviction, ...]:
        """Has nothing to do with the hosts on this list any more."""
        self.peers.set_filter(blocked)
        return self._evict_banned("the peer is on the list of blocked addresses")

    def become_private(self) -> tuple[Eviction, ...]:
        """The torrent is private (BEP 27): the endpoints that only strangers named are forgotten."""
        strangers = set(self.peers.forget(PUBLIC_SOURCES))
        return self._evict(
            self._connections.numbers_where(lambda it: it.is_called and it.address in strangers),
            "the torrent is private, and no tracker named this peer",
        )

    # Calls

    def calls_to_make(self, *, wants_seeds: bool, now: float) -> list[Call]:
        """The calls to make now. Each has to be reported: `opened`, `missed` or `dropped`.

        Args:
            wants_seeds: whether those that have everything are of use.
        """
        room = self._room_to_call(now=now)
        call = partial(self._call, now=now)
        calls = self._invitations.calls(room, call=call, give_up=self._give_up)
        calls += self._races.calls(room - len(calls), call=call, put_off_to=now + self._config.tick_s, now=now)
        if room <= len(calls):
            return calls
        chosen = self._calls.next(
            room - len(calls),
            callers=self._connections.endpoints,
            is_called=self._connections.has_call_to,
            wants_seeds=wants_seeds,
            now=now,
        )
        for address, order in chosen:
            made = call(address, order)
            if made is None:  # its host or network has all that it may have: later
                self.peers.disconnected(address, now=now)
            else:
                calls.append(made)
        return calls

    def calls_to_give_up(self) -> list[int]:
        """Calls that others have replaced since this was asked last: they are over, and need not be reported."""
        return self._races.take_given_up()

    def allows(self, number: int, *, own: str | None, now: float) -> bool:
        """Whether a call may go on that needs a route; otherwise it is over.

        Args:
            own: the address of ours that packets to the peer leave from; None when there is no way there.
        """
        connection = self._connections.get(number)
        if connection is None:
            return False
        is_raced = self._connections.rival_of(connection) is not None
        if self._calls.allows(connection.address, own=own, is_raced=is_raced, now=now):
            return True
        self._remove(number)
        return False

    def opened(self, number: int, *, now: float) -> bool:
        """The peer has accepted our call. False: end the connection, for meanwhile it is not wanted any more."""
        connection = self._connections.get(number)
        if connection is None:
            return False  # it was given up
        self._connections.open(number, now=now)
        self._races.forget(number)
        rival = self._connections.rival_of(connection)
        if rival is not None:
            connection.order += rival.order
            self._give_up(rival.number)
        is_wanted = self.takes_connections and not self.peers.is_banned(self._connections[number].address)
        if not is_wanted:
            self._connections.leave(number)
        return is_wanted

    def missed(self, number: int, failure: PathFailure, *, now: float) -> None:
        """A call led to no peer before it was `opened`."""
        connection = self._remove(number)
        if connection is not None:
            rival = self._connections.rival_of(connection)
            self._calls.missed(connection.address, connection.order, failure, rival=rival, now=now)
            if rival is not None:
                self._races.plan(rival, due=now)

    def dropped(self, number: int) -> None:
        """A call was given up by us; nothing if it was reported before."""
        connection = self._connections.get(number)
        if connection is not None and connection.stage is Stage.CALLING:
            self._remove(number)
            if self._connections.rival_of(connection) is None:
                self.peers.released(connection.address)

    # Connections that come

    def admit(self, address: Address, seat: Seat, *, since: float, now: float) -> Admission:
        """A peer has called us, and wants this torrent: the one door for all that come from outside.

        Args:
            seat: its place as long as its handshake was not done. If it may not stay, the place is gone.
            since: when the connection was accepted.
        """
        if not self.takes_connections or self.peers.is_banned(address):
            self._admission.turn_away(seat)
            return Admission(None)
        is_host_full = self._admission.is_address_full(seat)
        lacking = self._room.lacking(is_inbound=True)
        refusal = self._room.refusal(lacking)
        evicted: tuple[Eviction, ...] = ()
        if is_host_full or refusal is not None:
            victim = self._room.for_newcomer(address, is_host_full=is_host_full, lacking=lacking, now=now)
            if victim is not None:
                evicted = self._put_out([victim], FULL, None if is_host_full else refusal, now=now)
            elif refusal is not None and lacking is None:
                self._admission.refuse(seat, refusal, now=now)
                return Admission(None)
        if self._admission.settle(seat, group=self._group, now=now) is not None:
            return Admission(None, evicted)
        return Admission(self._connections.add(address, Stage.GREETING, seat, since=since).number, evicted)

    def join(self, address: Origin, *, now: float) -> int:
        """A connection that a peer in this process makes: it needs no place, and takes one of the torrent."""
        return self._connections.add(address, Stage.GREETING, None, since=now).number

    # Connections that stand

    def met(self, number: int, peer_id: bytes, *, now: float) -> Meeting:
        """Both handshakes are done.

        Two peers that call each other must both keep the same connection: the one that the larger id opened.
        """
        connection = self._connections[number]
        connection.peer_id = peer_id
        is_kept, replaced = True, []
        for other_number, peer in self._connections.met.items():
            other = self._connections[other_number]
            if peer.is_closed or other.peer_id != peer_id:
                continue
            ours_is_larger = self._own_id > peer_id
            if connection.is_called == other.is_called or other.is_called == ours_is_larger:
                is_kept = False
                break
            replaced.append(other_number)
        if connection.is_called:
            self._calls.met(connection.address, connection.order, is_kept=is_kept)
        if is_kept:
            self.last_met_at = now
        else:
            self._connections.leave(number)
        return Meeting(is_kept, self._evict(replaced, REPLACED))

    def joined(self, number: int, peer: ConnectedPeer, *, now: float) -> None:
        """The peer takes part from now on: what it does decides whether it may stay."""
        self._connections.meet(number, peer, now=now)

    def ended(self, number: int, *, peer_id: bytes | None, was_turned_away: bool, is_seed: bool, now: float) -> None:
        """A connection is gone.

        Args:
            peer_id: from its handshake, if that came.
            was_turned_away: the peer hung up on our handshake.
            is_seed: it has everything, as far as it said.
        """
        connection = self._remove(number)
        if connection is None or not connection.is_called:
            return
        address, peer = connection.address, connection.peer
        if peer is not None:
            self.peers.note_seed(address, is_seed)
        if peer_id == self._own_id:
            self.peers.add_own(address)
        elif peer is not None and peer.was_useful:
            self.peers.disconnected(address, now=now)
        elif peer_id is None and self.takes_connections:
            failure = PathFailure.TURNED_AWAY if was_turned_away else PathFailure.NO_HANDSHAKE
            self._calls.missed(address, connection.order, failure, now=now)
        else:
            self.peers.failed(address, now=now)

    # Clock

    def handle_timer(self, *, wants_seeds: bool, now: float) -> tuple[Eviction, ...]:
        """What ends so that another peer can be called, here or by a torrent that has none.

        Strangers must not take every connection and give nothing, nor must one torrent.
        """
        given = self._room.for_others(now=now)
        if given is not None:
            number, reason = given
            return self._put_out([number], OWED, reason, now=now)
        dial_at = self.peers.next_timer()
        if not wants_seeds or dial_at is None or dial_at > now:
            return ()
        victim = self._room.for_call(now=now)
        return () if victim is None else self._evict([victim], FULL)

    def next_timer(self, *, now: float) -> float:
        """When to look after the calls that are under way, and for the next one. Cost: O(known)."""
        soon, late = now + self._config.tick_s, now + self._config.idle_tick_s
        if self.race_at is not None:
            soon = min(soon, max(now, self.race_at))
        if self._calls.is_path_waiting or any(True for _ in self._connections.begun()):
            return soon
        dial_at = self.peers.next_timer()
        return late if dial_at is None else min(max(dial_at, soon), late)

    # Views

    def is_path_due(self, *, now: float) -> bool:
        """Whether a peer is to be called over another path, at once."""
        is_due = self._calls.is_path_waiting or self._invitations.is_waiting
        return is_due and self._room_to_call(now=now) > 0

    @property
    def race_at(self) -> float | None:
        """When a peer is to be called over another transport as well; it may have passed."""
        return self._races.next_at

    @property
    def takes_connections(self) -> bool:
        return not (self._is_closed or self._is_held)

    @property
    def connection_count(self) -> int:
        """Of whatever stage."""
        return len(self._connections)

    @property
    def half_open_count(self) -> int:
        """Connections that are being opened."""
        return self._connections.half_open

    def is_called(self, number: int) -> bool:
        """Whether we made a connection."""
        return self._connections[number].is_called

    @property
    def private(self) -> list[Address]:
        """Some endpoints that may not be called."""
        return list(self._calls.private)

    @property
    def turned_away_by(self) -> list[Address]:
        """Some endpoints that could be called and hung up on our handshake."""
        return list(self._calls.turned_away_by)

    def check_invariants(self) -> None:
        """Asserts what can be seen of what the class docstring promises."""
        self._calls.check_invariants()
        self._connections.check_invariants()
        self._turnover.check_invariants()
        assert self._connections.half_open <= 2 * self._config.max_dialling
        self._races.check_invariants(most=self._config.max_connections)
        self._invitations.check_invariants()

    def _call(self, address: Address, order: tuple[DialPath, ...], *, now: float) -> Call | None:
        seat = self._admission.call(address.host, group=self._group, now=now)
        if isinstance(seat, Refusal):
            return None
        made = self._connections.add(address, Stage.CALLING, seat, order=order, since=now)
        self._races.plan(made, due=now + self._config.paths.race_delay_s)
        greeting = self.greetings.greeting_for(address)
        return Call(made.number, address, order[0], self._calls.needs_route(address), greeting)

    def _give_up(self, number: int) -> None:
        """Another call has taken the place of this one."""
        self._remove(number)
        self._races.give_up(number)

    def _remove(self, number: int) -> Connection | None:
        self._races.forget(number)
        return self._connections.remove(number)

    def _room_to_call(self, *, now: float) -> int:
        return self._room.to_call(now=now) if self.takes_connections else 0

    def _put_out(
        self, numbers: Iterable[int], reason: str, refusal: Refusal | None, *, now: float
    ) -> tuple[Eviction, ...]:
        """Ends connections whose places others need, which counts like a refusal."""
        for number in numbers:
            remote = self._connections[number].remote
            if refusal is not None and isinstance(remote, Address):
                self._admission.put_out(remote.host, refusal, now=now)
        return self._evict(numbers, reason)

    def _evict_banned(self, reason: str) -> tuple[Eviction, ...]:
        return self._evict(self._connections.numbers_where(lambda it: self.peers.is_banned(it.remote)), reason)

    def _evict(self, numbers: Iterable[int], reason: str) -> tuple[Eviction, ...]:
        evicted = tuple(Eviction(number, reason) for number in numbers)
        for number, _ in evicted:
            self._connections.leave(number)
        return evicted


OWED = "the session is full, and a torrent that has next to no peers needs the place"
FULL = "the torrent is full, and there are others who may be of more use"
REPLACED = "replaced by a connection that the peer also keeps"
PUBLIC_SOURCES = PeerSource.DHT | PeerSource.PEX | PeerSource.LOCAL
