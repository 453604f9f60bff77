"""Which incoming connections may wait for their handshake: a newcomer has room, and a squatter makes it. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from transfer.limits.shares import network_of, share_of


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpenConfig:
    """Bounds of a `HalfOpenCore`.

    Attributes:
        max_waiting: connections that have not finished their handshake.
        max_per_host: connections of one host, that is an IPv4 address or an IPv6 /64, finished ones included.
        max_per_network: waiting ones of one IPv4 /24 or IPv6 /48.
        timeout_s: for the whole handshake, however it drips in.
        max_remembered: hosts of which it is known that they left a handshake unfinished.
    """

    max_waiting: int = 64
    max_per_host: int = 32
    max_per_network: int = 48
    timeout_s: float = 10.0
    max_remembered: int = 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")


class HalfOpenCore:
    """Decides which connections wait. None is refused because others wait: the worst guest leaves instead.

    The worst is one whose host has left a handshake unfinished before; then one of the network, and in it of the host,
    that has the most guests; then the oldest. So a few hosts push out each other only, and many that say nothing are
    known after their first try.

    Invariants:
        at most max_waiting guests, max_per_network of one network that is not exempt, and max_remembered hosts
            remembered
        the counts of hosts and networks are those of the guests
    """

    def __init__(self, config: HalfOpenConfig) -> None:
        self.dismissed = 0  # connections that had to leave
        self._config = config
        self._guests: dict[int, _Guest] = {}  # the oldest first
        self._of_host: Counter[bytes] = Counter()
        self._of_network: Counter[bytes] = Counter()
        self._unfinished: OrderedDict[bytes, None] = OrderedDict()

    # Inputs

    def arrive(self, number: int, host: str, *, connected: int, is_exempt: bool = False, now: float) -> list[int]:
        """A connection from `host` was accepted.

        Args:
            connected: how many connections of this host have finished their handshake.
            is_exempt: the shares of a host and of a network are no matter.

        Returns:
            The connections that have to leave for it, which may be itself.
        """
        guest = _Guest(share_of(host), network_of(host), now, is_exempt)
        self._guests[number] = guest
        self._of_host[guest.host] += 1
        self._of_network[guest.network] += 1
        config = self._config
        leaving: list[int] = []
        of_host = self._of_host[guest.host]
        if not is_exempt and connected + of_host > config.max_per_host and of_host > 1:
            leaving.append(self._worst(host=guest.host))  # with one guest it is decided later: another may make room
        elif not is_exempt and self._of_network[guest.network] > config.max_per_network:
            leaving.append(self._worst(network=guest.network))
        elif len(self._guests) > config.max_waiting:
            leaving.append(self._worst())
        for victim in leaving:
            self._dismiss(victim)
        return leaving

    def dismiss_worst(self) -> int | None:
        """Something else has run out: the connection that has to leave for a newcomer; None while nobody waits."""
        if not self._guests:
            return None
        worst = self._worst()
        self._dismiss(worst)
        return worst

    def finish(self, number: int, *, is_welcome: bool) -> None:
        """The handshake is there; it is welcome if what it asks for is here."""
        guest = self._remove(number)
        if guest is not None and is_welcome:
            self._unfinished.pop(guest.host, None)

    def leave(self, number: int) -> None:
        """The connection is gone, before its handshake was finished or long after."""
        guest = self._remove(number)
        if guest is not None:
            self._remember(guest.host)

    # Clock

    def handle_timer(self, *, now: float) -> list[int]:
        """The connections that have taken too long, and leave."""
        overdue = []
        for number, guest in self._guests.items():
            if now < guest.arrived_at + self._config.timeout_s:
                break
            overdue.append(number)
        for number in overdue:
            self._dismiss(number)
        return overdue

    def next_timer(self) -> float | None:
        """When the oldest guest will have taken too long."""
        oldest = next(iter(self._guests.values()), None)
        return None if oldest is None else oldest.arrived_at + self._config.timeout_s

    # Views

    def __len__(self) -> int:
        """How many wait."""
        return len(self._guests)

    def __contains__(self, number: int) -> bool:
        return number in self._guests

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert len(self._guests) <= self._config.max_waiting
        assert len(self._unfinished) <= self._config.max_remembered
        assert self._of_host == Counter(guest.host for guest in self._guests.values())
        assert self._of_network == Counter(guest.network for guest in self._guests.values())
        counted = Counter(guest.network for guest in self._guests.values() if not guest.is_exempt)
        assert all(count <= self._config.max_per_network for count in counted.values())

    def _worst(self, *, host: bytes | None = None, network: bytes | None = None) -> int:
        """The guest that has to leave: of one host, of one network, or of all. Of equals the oldest."""
        among = [
            (number, guest)
            for number, guest in self._guests.items()
            if (host is None or guest.host == host) and (network is None or guest.network == network)
        ]
        return max(
            among,
            key=lambda item: (
                item[1].host in self._unfinished,
                self._of_network[item[1].network],
                self._of_host[item[1].host],
            ),
        )[0]

    def _dismiss(self, number: int) -> None:
        self.dismissed += 1
        self.leave(number)

    def _remove(self, number: int) -> _Guest | None:
        guest = self._guests.pop(number, None)
        if guest is not None:
            for counter, key in ((self._of_host, guest.host), (self._of_network, guest.network)):
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]
        return guest

    def _remember(self, host: bytes) -> None:
        self._unfinished[host] = None
        self._unfinished.move_to_end(host)
        if len(self._unfinished) > self._config.max_remembered:
            self._unfinished.popitem(last=False)


@dataclass(slots=True)
class _Guest:
    host: bytes
    network: bytes
    arrived_at: float
    is_exempt: bool
