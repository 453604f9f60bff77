"""The object that a scenario gets: hosts, links, names, faults, and the time."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from transfer.simulation.disk import Disk, DiskConfig
from transfer.simulation.faults import BlackHole, Clog, Crash, Partition
from transfer.simulation.host import Host, canonical_ip, current_boot
from transfer.simulation.link import Link, Pipe
from transfer.simulation.nat import Firewall, Nat, NatKind
from transfer.simulation.network import Network
from transfer.simulation.packets.flow import known_controller
from transfer.simulation.trace import NOBODY

if TYPE_CHECKING:
    from transfer.simulation.loop import SimulationLoop
    from transfer.simulation.names import NameTable

HostLike = Host | str


class Simulation:
    """A running simulation.

    Attributes:
        seed: the number from which all randomness of this run comes.
        rng: a generator for the scenario's own choices; the network draws from another one.
        network: the machinery, for what has no method here.
        loop: see `network`.
    """

    def __init__(self, *, seed: int, rng: random.Random, network: Network, loop: SimulationLoop) -> None:
        self.seed = seed
        self.rng = rng
        self.network = network
        self.loop = loop

    @property
    def now(self) -> float:
        """Virtual seconds since the run began."""
        return self.loop.time()

    @property
    def names(self) -> NameTable:
        """The name table: `simulation.names["tracker.example"] = "10.0.0.5"`."""
        return self.network.names

    # Hosts.

    @contextmanager
    def host(self, address: HostLike, *more: str, behind: Nat | None = None) -> Iterator[Host]:
        """Inside this block the program runs on the host with this address, and so does everything it starts there.

        Args:
            address: an IP address, or a host got earlier; a new one makes a new host.
            more: further addresses of the same host, for example an IPv6 one.
            behind: the NAT box behind which a new host is.

        Raises:
            ValueError: not an IP address, or one that belongs to another host.
        """
        host = address if isinstance(address, Host) else self.network.host((address, *more), behind=behind)
        token = current_boot.set(host.boot)
        try:
            yield host
        finally:
            current_boot.reset(token)

    def nat(
        self, address: str, *, kind: NatKind = NatKind.PORT_RESTRICTED, outside: Nat | None = None, hairpin: bool = True
    ) -> Nat:
        """A NAT box with an outer address; put hosts behind it with `host(…, behind=box)`."""
        realm = outside.inside if outside is not None else self.network.public
        return Nat(realm, canonical_ip(address), kind=kind, hairpin=hairpin)

    def firewall(self, host: HostLike, *, open_tcp: Iterable[int] = (), open_udp: Iterable[int] = ()) -> None:
        """From now on `host` lets in answers, and whatever goes to an open port."""
        self._host(host).firewall = Firewall(open_tcp=open_tcp, open_udp=open_udp)

    def disk(self, host: HostLike, config: DiskConfig | None = None) -> Disk:
        """The disk of a host, made by the first call; a config given later replaces the one before."""
        found = self._host(host)
        if found.disk is None:
            rng = random.Random(f"disk {self.seed} {found}")
            loop = self.loop
            found.disk = Disk(config or DiskConfig(), rng, loop.time, lambda span_s: loop.charge(round(span_s * 1e6)))
        elif config is not None:
            found.disk.config = config
        return found.disk

    # Links.

    def set_link(self, first: HostLike, second: HostLike, link: Link, *, both_ways: bool = True) -> None:
        """Gives two hosts a link of their own."""
        source, target = self._host(first), self._host(second)
        self.network.set_link(source, target, link)
        if both_ways:
            self.network.set_link(target, source, link)

    def set_default_link(self, link: Link) -> None:
        """The link between all hosts that have none of their own."""
        self.network.set_default_link(link)

    def set_access(
        self,
        host: HostLike,
        *,
        up_bytes_per_s: float | None = None,
        down_bytes_per_s: float | None = None,
        queue_bytes: int = 131_072,
    ) -> None:
        """The access line of a host, which all its traffic shares; None is infinitely fast."""
        found = self._host(host)
        found.uplink = Pipe(up_bytes_per_s, queue_bytes) if up_bytes_per_s is not None else None
        found.downlink = Pipe(down_bytes_per_s, queue_bytes) if down_bytes_per_s is not None else None

    def set_congestion(self, controller: str | None, *hosts: HostLike) -> None:
        """Which congestion controller decides when streams send, over connections that are made from now on.

        With one, what a stream sends travels in packets that are lost, dropped by full queues and sent again, as those
        of TCP are; without, as by default, a stream is late instead. `TcpConfig(congestion=…)` and `TCP_CONGESTION`
        choose for one listener or one connection.

        Args:
            controller: a name of `transfer.congestion` such as "cubic"; None: none.
            hosts: whose sending it is about; without any, that of all hosts for which nothing else was said.

        Raises:
            UnknownControllerError: there is none of that name.
        """
        name = known_controller(controller) if controller is not None else None
        for host in hosts:
            self._host(host).congestion = name
        if not hosts:
            self.loop.stream_config = replace(self.loop.stream_config, congestion=name)

    # Faults. Each begins at once and ends with its `with` block or with `heal()`.

    def partition(self, *groups: Iterable[HostLike]) -> Partition:
        """Nothing passes between hosts of different groups."""
        return Partition(self.network, [[self._host(host) for host in group] for group in groups])

    def black_hole(self, source: HostLike | None = None, target: HostLike | None = None) -> BlackHole:
        """What `source` sends to `target` vanishes; None stands for any host."""
        return BlackHole(self.network, self._optional(source), self._optional(target))

    def clog(self, source: HostLike | None = None, target: HostLike | None = None) -> Clog:
        """What `source` sends to `target` waits until the clog is gone; None stands for any host."""
        return Clog(self.network, self._optional(source), self._optional(target))

    def crash(self, host: HostLike) -> Crash:
        """Cuts the power of a host; the end of the block, or `restart()`, switches it on again, empty."""
        return Crash(self.network, self._host(host))

    def send_signal(self, host: HostLike, signal: int) -> None:
        """Delivers a signal to the program of `host`: to what it gave `add_signal_handler` or `signal.signal`.

        Raises:
            NotSimulatedError: it has no handler, and would end.
            ProcessLookupError: the host is down.
        """
        self.loop.send_signal(self._host(host).boot, signal)

    def note(self, text: str) -> None:
        """Puts a line of the scenario's own into the trace."""
        self.network.note(f"note {text}", NOBODY, NOBODY)

    def _host(self, host: HostLike) -> Host:
        if isinstance(host, Host):
            return host
        return self.network.public.hosts.get(canonical_ip(host)) or self.network.host((host,))

    def _optional(self, host: HostLike | None) -> Host | None:
        return self._host(host) if host is not None else None
