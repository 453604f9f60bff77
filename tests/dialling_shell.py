"""A `DiallingCore` on bare virtual time: whoever is called or comes is played by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from bittorrent.dialling.config import DiallingConfig
from bittorrent.dialling.core import DiallingCore
from bittorrent.dialling.decisions import Call, Eviction
from bittorrent.dialling.paths import PathFailure
from bittorrent.dialling.targets import TargetRule
from bittorrent.identity.torrent_id import TorrentId
from transfer.address import Address
from transfer.limits.admission import AdmissionCore
from transfer.limits.admission_config import AdmissionConfig

OWN_ID = b"M" * 20
OWN_HOST = "9.9.9.9"


@dataclass(slots=True)
class ToyPeer:
    """As `ConnectedPeer` has it, with everything at will."""

    address: Address
    listen_address: Address
    connected_at: float
    downloaded_bytes: int = 0
    uploaded_bytes: int = 0
    is_closed: bool = False
    is_torrent_known: bool = True
    am_interested: bool = False
    is_interested: bool = True
    idles: bool = False
    is_excused: bool = False

    @property
    def was_useful(self) -> bool:
        return self.downloaded_bytes + self.uploaded_bytes > 0

    def is_idler(self, *, now: float) -> bool:
        return self.idles and not self.is_excused

    def stalled_s(self, *, now: float) -> float:
        return 0.0

    def received_bytes_per_s(self, *, now: float) -> float:
        return float(self.downloaded_bytes)

    def excuse(self) -> None:
        self.is_excused = True


def admission_of(**config: Any) -> AdmissionCore:
    """One in which nothing but `config` is scarce."""
    free = {"max_per_subnet": 1000, "accept_burst_per_address": 1e9, "accept_burst": 1e9, "max_half_open": 1000}
    return AdmissionCore(AdmissionConfig(**{**free, "max_half_open_per_subnet": 1000, **config}))


class BareShell:
    """Does what the core says: what it is told to end is closed at once, and gone when `lose` is called.

    Attributes:
        calls: not accepted or refused yet, by number.
        standing: whom there is a connection with, by number; None before it was met.
        leaving: of them, those that were told to end, with the reason.
        given_up: calls that ended because another one to the same peer took their place.
        introducible: endpoints to which somebody can introduce us.
    """

    def __init__(
        self,
        *,
        admission: AdmissionCore | None = None,
        torrent_id: TorrentId | None = None,
        seed: int = 1,
        **config: Any,
    ) -> None:
        self.now = 0.0
        self.introducible: set[Address] = set()
        self.admission = admission or admission_of()
        self.core = DiallingCore(
            torrent_id or TorrentId(bytes(20)),
            own_id=OWN_ID,
            own_host=OWN_HOST,
            admission=self.admission,
            targets=TargetRule(),
            rng=Random(seed),
            config=DiallingConfig(**config),
            introduces=lambda address: address in self.introducible,
        )
        self.calls: dict[int, Call] = {}
        self.standing: dict[int, ToyPeer | None] = {}
        self.addresses: dict[int, Address] = {}
        self.greeted: dict[int, bytes] = {}
        self.leaving: dict[int, str] = {}
        self.given_up: list[Call] = []

    def dial(self, *, wants_seeds: bool = True) -> list[Call]:
        made = self.core.calls_to_make(wants_seeds=wants_seeds, now=self.now)
        for number in self.core.calls_to_give_up():
            self.given_up.append(self.calls.pop(number))
        for call in made:
            self.calls[call.number] = call
            self.addresses[call.number] = call.address
        return made

    def refuse(self, call: Call) -> None:
        """Nobody answers there, over this path."""
        del self.calls[call.number]
        self.core.missed(call.number, PathFailure.NO_CONNECTION, now=self.now)

    def accept(self, call: Call) -> int:
        """A connection stands."""
        del self.calls[call.number]
        self.standing[call.number] = None
        if not self.core.opened(call.number, now=self.now):
            self.leaving[call.number] = "not wanted any more"
        for number in self.core.calls_to_give_up():
            assert self.addresses[number] == call.address
            self.given_up.append(self.calls.pop(number))
        return call.number

    def knock(self, address: Address) -> int | None:
        """Somebody comes; its number if it may stay."""
        arrival = self.admission.arrive(address.host, now=self.now)
        assert arrival.seat is not None, "the reception is tested elsewhere"
        assert not arrival.leaving
        admission = self.core.admit(address, arrival.seat, since=self.now, now=self.now)
        assert (admission.number is None) == arrival.seat.is_gone
        self.end(admission.evicted)
        if admission.number is not None:
            self.standing[admission.number] = None
            self.addresses[admission.number] = address
        return admission.number

    def greet(self, number: int, peer_id: bytes, *, listens_at: Address | None = None) -> ToyPeer | None:
        """The handshake of the other side comes; the peer if it takes part."""
        self.greeted[number] = peer_id
        meeting = self.core.met(number, peer_id, now=self.now)
        self.end(meeting.evicted)
        if not meeting.is_kept:
            self.leaving[number] = "a duplicate"
            return None
        address = self.addresses[number]
        peer = self.standing[number] = ToyPeer(address, listens_at or address, self.now)
        self.core.joined(number, peer, now=self.now)
        return peer

    def end(self, evictions: Iterable[Eviction]) -> None:
        for number, reason in evictions:
            assert number not in self.leaving, "nobody goes twice"
            self.leaving[number] = reason
            peer = self.standing[number]
            if peer is not None:
                peer.is_closed = True

    def lose(self, number: int, *, was_turned_away: bool = False, is_seed: bool = False) -> None:
        """A connection is gone."""
        peer = self.standing.pop(number)
        self.leaving.pop(number, None)
        if peer is not None:
            peer.is_closed = True
        self.core.ended(
            number,
            peer_id=self.greeted.get(number),
            was_turned_away=was_turned_away,
            is_seed=is_seed,
            now=self.now,
        )

    def meet(self, address: Address, peer_id: bytes) -> tuple[int, ToyPeer]:
        """Calls somebody who answers."""
        (call,) = [call for call in self.dial() if call.address == address]
        number = self.accept(call)
        peer = self.greet(number, peer_id)
        assert peer is not None
        return number, peer

    def come(self, address: Address, peer_id: bytes) -> tuple[int, ToyPeer]:
        """Somebody comes and stays."""
        number = self.knock(address)
        assert number is not None
        peer = self.greet(number, peer_id)
        assert peer is not None
        return number, peer
