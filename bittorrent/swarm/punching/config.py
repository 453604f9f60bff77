"""Bounds of hole punching in one torrent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PunchingConfig:
    """How much peers may make us do for one another, and to others.

    Attributes:
        rendezvous_per_s, rendezvous_burst: how often one peer may ask to be introduced to others.
        introductions_per_s, introductions_burst: how often one peer is introduced to others, whoever asks for it.
        calls_per_relay_per_s, calls_per_relay_burst: how often one peer may make us call somebody whom we did not ask
            for.
        calls_per_s, calls_burst: the same for all peers of a torrent together.
        max_asked: introductions that we have asked for and wait for.
        answer_s: how long.
        max_remembered: endpoints of which it is known who brought us together.
        remembered_s: how long.
        allow_private: follow peers anywhere into private networks and to this machine, and bring such peers together.
    """

    rendezvous_per_s: float = 0.5
    rendezvous_burst: float = 20.0
    introductions_per_s: float = 1.0
    introductions_burst: float = 20.0
    calls_per_relay_per_s: float = 0.2
    calls_per_relay_burst: float = 10.0
    calls_per_s: float = 1.0
    calls_burst: float = 30.0
    max_asked: int = 64
    answer_s: float = 3.0
    max_remembered: int = 256
    remembered_s: float = 60.0
    allow_private: bool = False

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not isinstance(value, bool) and value <= 0:
                raise ValueError(f"{name} must be positive")


DEFAULT_CONFIG = PunchingConfig()
