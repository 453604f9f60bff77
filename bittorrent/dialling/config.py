"""Bounds and times of the connections of one torrent."""

from __future__ import annotations

from dataclasses import dataclass, field

from bittorrent.dialling.paths import PathConfig
from bittorrent.dialling.peer_list import PeerListConfig
from bittorrent.dialling.turnover import TurnoverConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DiallingConfig:
    """Every number that shapes a `DiallingCore`; those of the whole session are in its `AdmissionCore`.

    Attributes:
        max_connections: peers of the torrent, those that are being called included.
        max_dialling: of them, how many may be in the making at a time.
        slow_dial_s: a peer that has not answered for so long no longer counts among them (up to as many again).
        max_named: endpoints that are kept to explain why no peer came, of each kind.
        tick_s: how often is looked after calls.
        idle_tick_s: the same while there are none; also how soon it is noticed that the session has room again.
    """

    max_connections: int = 60
    max_dialling: int = 20
    slow_dial_s: float = 3.0
    max_named: int = 100
    tick_s: float = 1.0
    idle_tick_s: float = 30.0
    paths: PathConfig = field(default_factory=PathConfig)
    peers: PeerListConfig = field(default_factory=PeerListConfig)
    turnover: TurnoverConfig = field(default_factory=TurnoverConfig)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int | float) and value <= 0:
                raise ValueError(f"{name} must be positive")
        if self.tick_s > self.idle_tick_s:
            raise ValueError("tick_s must not exceed idle_tick_s")
