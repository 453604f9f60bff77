"""Which program this is, and where: its process number, its machine's name, the identifiers made of them."""

from __future__ import annotations

import os
import platform
import socket
import uuid
from typing import Any

from transfer.simulation.errors import NotSimulatedError
from transfer.simulation.process.clocks import EPOCH_S
from transfer.simulation.process.inside import World
from transfer.simulation.process.replacing import Replacement, replacement
from transfer.simulation.signals import FIRST_PID


def _getpid(world: World) -> int:
    return FIRST_PID + world.loop.network.here().index


def _getppid(world: World) -> int:
    return 1


def host_name(world: World) -> str:
    """The first name that stands for an address of the running host; without one, its first address."""
    here = world.loop.network.here()
    return world.loop.network.names.name_of(*here.addresses) or str(here)


def _no_sethostname(world: World, *args: Any) -> None:
    raise NotSimulatedError("socket.sethostname()", "put the name into simulation.names")


def _uname(world: World) -> Any:
    real: Any = _REAL_UNAME()
    return os.uname_result((real.sysname, host_name(world), real.release, real.version, real.machine))


def _getnode(world: World) -> int:
    """A number for the running host; the bit of multicast addresses says that it is no real one (RFC 9562, 6.10)."""
    return 1 << 40 | world.loop.network.here().index + 1


def _uuid1(world: World, node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    """RFC 9562, section 5.1."""
    ticks = (EPOCH_S * 10**6 + world.now_us) * 10 + UUID_EPOCH_TICKS
    world.last_uuid_time = ticks = max(ticks, world.last_uuid_time + 1)
    node = _getnode(world) if node is None else node
    clock_seq = world.chance.getrandbits(14) if clock_seq is None else clock_seq
    fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF, clock_seq >> 8 & 0x3F, clock_seq & 0xFF)
    return uuid.UUID(fields=(*fields, node), version=1)


def _times(world: World) -> Any:
    return os.times_result((0.0, 0.0, 0.0, 0.0, world.now_us / 1e6))


def _getloadavg(world: World) -> tuple[float, float, float]:
    return 0.0, 0.0, 0.0


UUID_EPOCH_TICKS = 0x01B21DD213814000  # from 1582-10-15 to 1970-01-01, in steps of 100 ns
_REAL_UNAME = getattr(os, "uname", platform.uname)
REPLACEMENTS: list[Replacement] = [
    *replacement(os, "getpid", _getpid),
    *replacement(os, "getppid", _getppid),
    *replacement(os, "uname", _uname),
    *replacement(os, "times", _times),
    *replacement(os, "getloadavg", _getloadavg),
    *replacement(platform, "node", host_name),
    *replacement(socket, "gethostname", host_name),
    *replacement(socket, "sethostname", _no_sethostname),
    *replacement(uuid, "getnode", _getnode),
    *replacement(uuid, "uuid1", _uuid1),
]
