"""By which path a peer is called: a path is data, and which one comes next is one rule. Pure.

A new way to reach a peer is one more `DialPath` in `PathConfig.paths`, and a transport for it in the session.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto

from transfer.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPath:
    """One way to reach a peer.

    Attributes:
        transport: what carries the bytes.
        cover: what they look like on the way.
    """

    transport: str
    cover: str = "plain"

    def __str__(self) -> str:
        return f"{self.transport}/{self.cover}"


TCP = DialPath(transport="tcp")


class PathFailure(Enum):
    """How far a call came that led to no peer."""

    NO_CONNECTION = auto()  # refused, or not answered in time: no cover helps on this transport
    NO_HANDSHAKE = auto()  # the host answered, and there was no handshake: another cover may be understood


@dataclass(frozen=True, slots=True, kw_only=True)
class PathConfig:
    """Which paths there are.

    Attributes:
        paths: in the order in which they are tried.
        max_remembered: peers of which it is known which path worked; the one that was met longest ago is forgotten.
    """

    paths: tuple[DialPath, ...] = (TCP,)
    max_remembered: int = 3000

    def __post_init__(self) -> None:
        if not self.paths or len(set(self.paths)) < len(self.paths):
            raise ValueError("paths must name at least one, and none twice")
        if self.max_remembered < 1:
            raise ValueError("max_remembered must be positive")


class PathBook:
    """Remembers which path led to which peer.

    Invariants:
        at most max_remembered peers are remembered, each with a path of the config
    """

    def __init__(self, config: PathConfig) -> None:
        self._config = config
        self._worked: OrderedDict[Address, DialPath] = OrderedDict()

    def order_for(self, address: Address) -> tuple[DialPath, ...]:
        """The paths to try, in this order: the one that worked the last time, then those of the config."""
        worked = self._worked.get(address)
        if worked is None:
            return self._config.paths
        return (worked, *(path for path in self._config.paths if path != worked))

    def worked(self, address: Address, path: DialPath) -> None:
        """The handshake of the peer came over this path."""
        self._worked[address] = path
        self._worked.move_to_end(address)
        if len(self._worked) > self._config.max_remembered:
            self._worked.popitem(last=False)

    def failed(self, address: Address, path: DialPath) -> None:
        """No peer was met over this path: that it worked once counts no more."""
        if self._worked.get(address) == path:
            del self._worked[address]

    def __len__(self) -> int:
        """Of how many peers a path is remembered."""
        return len(self._worked)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert len(self._worked) <= self._config.max_remembered
        assert set(self._worked.values()) <= set(self._config.paths)


def paths_left(order: tuple[DialPath, ...], failure: PathFailure) -> tuple[DialPath, ...]:
    """What remains to be tried when the first path of `order` has failed."""
    tried, *others = order
    if failure is PathFailure.NO_CONNECTION:
        return tuple(path for path in others if path.transport != tried.transport)
    return tuple(others)
