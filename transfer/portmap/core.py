"""When a gateway is asked for mappings, over which protocol, and when again."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from transfer.limits.backoff import Backoff
from transfer.portmap.config import PortMapConfig
from transfer.portmap.epoch import EpochWatch
from transfer.portmap.round import MappingRound
from transfer.portmap.values import Grant, MappedProtocol, PortMapError, PortMapMethod, PortMapStatus
from transfer.reach import Reach, reach_of


class PortMapCore:
    """Keeps one port of this host mapped, for all protocols that are wanted.

    What it wants done is a *turn*: the methods of `methods_to_try`, one after the other until one serves, each with a
    round of `new_round`. A turn is due at `next_timer`; how it went is told to `served` or `failed` and then to
    `turn_ended`.

    Args:
        port: of this host.
        protocols: in the order in which they are mapped; the port outside of the first is what others are told.
        now: the first turn is due at once.

    Invariants:
        there are grants exactly if there is a method, and one for each protocol
        as long as there are, a turn is due no later than at three quarters of the shortest lifetime
    """

    def __init__(
        self, *, port: int, protocols: Sequence[MappedProtocol], config: PortMapConfig, rng: Random, now: float
    ) -> None:
        self.gateway: str | None = None
        self._port = port
        self._protocols = tuple(protocols)
        self._config = config
        self._rng = rng
        self._due_at = now
        self._served_at = now
        self._method: PortMapMethod | None = None
        self._grants: tuple[Grant, ...] = ()
        self._outer_host: str | None = None
        self._local_host: str | None = None
        self._preferred_port = port
        self._errors: dict[PortMapMethod, str] = {}
        self._epoch = EpochWatch()
        self._backoff = Backoff(first_s=config.retry_s, max_s=config.max_retry_s)
        self._failed_turns = 0
        self._is_settled = False
        self._renewals = 0
        self._restarts = 0

    # Inputs

    def receive_local_host(self, host: str | None, *, now: float) -> None:
        """The address of this host that leads to the gateway; None: there is no network."""
        if host == self._local_host:
            return
        self._local_host = host
        self._epoch.forget()
        self._grants = ()
        self._method = None
        self._failed_turns = 0
        if self._due_at > now:
            self._due_at = now

    def served(
        self, method: PortMapMethod, grants: Sequence[Grant], outer_host: str | None, *, now: float
    ) -> tuple[Grant, ...]:
        """A round went well.

        Returns:
            Mappings of before that are of no use any more, to be taken back: those with another port outside.
        """
        stale = self._grants if method is self._method else ()
        if self._method is not None:
            self._renewals += 1
        if method is not self._method:
            self._epoch.forget()
        epochs = [grant.epoch_s for grant in grants if grant.epoch_s is not None]
        if epochs and self._epoch.receive_epoch(epochs[0], now=now):
            self._restarts += 1
        kept = {(grant.protocol, grant.external_port) for grant in grants}
        self._method = method
        self._grants = tuple(grants)
        self._outer_host = outer_host
        self._preferred_port = grants[0].external_port
        self._errors.pop(method, None)
        self._served_at = now
        return tuple(grant for grant in stale if (grant.protocol, grant.external_port) not in kept)

    def failed(self, method: PortMapMethod, error: PortMapError) -> None:
        """A round did not."""
        self._errors.pop(method, None)
        self._errors[method] = str(error)
        if method is self._method:
            self._method = None
            self._grants = ()
            self._epoch.forget()

    def turn_ended(self, *, now: float) -> None:
        """All methods were tried, or one served."""
        self._is_settled = True
        if self._method is None:
            self._failed_turns += 1
            self._due_at = now + self._backoff.delay_s(self._failed_turns)
            return
        self._failed_turns = 0
        self._due_at = min(self._renewal_at(), now + self._config.look_interval_s)

    # Outputs

    def methods_to_try(self) -> tuple[PortMapMethod, ...]:
        """In this order; the one that served the last time first."""
        first = self._method
        return tuple(sorted(self._config.methods, key=lambda method: method is not first))

    def new_round(self) -> MappingRound:
        """For one method."""
        return MappingRound(
            self._protocols,
            internal_port=self._port,
            preferred_port=self._preferred_port,
            lifetime_s=self._config.lifetime_s,
            max_attempts=self._config.max_attempts,
            rng=self._rng,
        )

    def next_timer(self) -> float:
        """When the next turn is due; it may be past."""
        return self._due_at

    # Views

    @property
    def method(self) -> PortMapMethod | None:
        """By which the mappings are there; None without any."""
        return self._method

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The mappings there are."""
        return self._grants

    @property
    def local_host(self) -> str | None:
        """As told the last time."""
        return self._local_host

    def status(self) -> PortMapStatus:
        """A snapshot."""
        ports = {grant.protocol: grant.external_port for grant in self._grants}
        outer = self._outer_host if self._method is not None else None
        return PortMapStatus(
            is_settled=self._is_settled,
            method=self._method,
            local_host=self._local_host,
            gateway=self.gateway,
            external_host=outer,
            tcp_port=ports.get(MappedProtocol.TCP),
            udp_port=ports.get(MappedProtocol.UDP),
            is_behind_another_nat=outer is not None and reach_of(outer) is not Reach.INTERNET,
            failures=tuple(self._errors.items()),
            renewals=self._renewals,
            gateway_restarts=self._restarts,
        )

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert (self._method is None) == (not self._grants)
        assert not self._grants or [grant.protocol for grant in self._grants] == list(self._protocols)
        if self._grants:
            assert self._due_at <= max(self._renewal_at(), self._served_at)

    def _renewal_at(self) -> float:
        lifetimes = [grant.lifetime_s for grant in self._grants if grant.lifetime_s is not None]
        if not lifetimes:
            return self._served_at + self._config.lifetime_s
        return self._served_at + max(MIN_RENEWAL_S, 0.75 * min(lifetimes))


MIN_RENEWAL_S = 4.0  # a gateway that grants a moment is not asked more often than that (RFC 6887, 11.2.1)
