"""Controllers by their names: what users may choose, and how one is made. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

from transfer.congestion.bbr import Bbr
from transfer.congestion.bbr1 import BbrV1
from transfer.congestion.controller import CongestionController
from transfer.congestion.cubic import Cubic
from transfer.congestion.ledbat import Ledbat
from transfer.congestion.ledbat_plus_plus import LedbatPlusPlus
from transfer.congestion.reno import Reno
from transfer.errors import TransferError

Factory: TypeAlias = Callable[[int, random.Random], CongestionController]


class UnknownControllerError(TransferError, ValueError):
    """There is no congestion controller of that name. `known` lists those there are."""

    def __init__(self, name: str) -> None:
        self.known = controller_names()
        super().__init__(f"no congestion controller is called {name!r}: choose one of {', '.join(self.known)}")


def make_controller(name: str, *, packet_bytes: int, rng: random.Random) -> CongestionController:
    """A new controller, for one connection.

    Args:
        name: one of `controller_names()`, in small or capital letters.
        packet_bytes: the size of a full packet, as its sender counts bytes.
        rng: what a controller chooses with that waits for a random time; equal ones give equal controllers.

    Raises:
        UnknownControllerError: no controller has that name; the message lists those there are.
        ValueError: a packet has no bytes.
    """
    if packet_bytes < 1:
        raise ValueError(f"a packet has at least one byte, not {packet_bytes}")
    factory = _FACTORIES.get(name.lower())
    if factory is None:
        raise UnknownControllerError(name)
    return factory(packet_bytes, rng)


def register_controller(name: str, factory: Factory) -> None:
    """Makes a controller of your own known by a name: for uTP, for the lab, for aioquic.

    Args:
        name: one word in small letters; none that there is already.
        factory: makes a controller, given the bytes of a packet and a source of random numbers.

    Raises:
        ValueError: the name is empty, not one word in small letters, or taken.
    """
    if name.split() != [name.lower()]:
        raise ValueError(f"the name of a controller is one word in small letters, not {name!r}")
    if name in _FACTORIES:
        raise ValueError(f"a congestion controller is called {name!r} already: choose another name")
    _FACTORIES[name] = factory


def controller_names() -> tuple[str, ...]:
    """What `make_controller` knows, in the order in which it is best explained."""
    return tuple(_FACTORIES)


_FACTORIES: dict[str, Factory] = {
    "reno": lambda packet_bytes, rng: Reno(packet_bytes=packet_bytes),
    "cubic": lambda packet_bytes, rng: Cubic(packet_bytes=packet_bytes),
    "ledbat": lambda packet_bytes, rng: Ledbat(packet_bytes=packet_bytes),
    "ledbat++": lambda packet_bytes, rng: LedbatPlusPlus(packet_bytes=packet_bytes),
    "bbr1": lambda packet_bytes, rng: BbrV1(packet_bytes=packet_bytes, rng=rng),
    "bbr": lambda packet_bytes, rng: Bbr(packet_bytes=packet_bytes, rng=rng),
}
