"""When a gateway is asked for what: times, epochs, methods, ports."""

from __future__ import annotations

from random import Random

import pytest

from transfer.portmap.config import PortMapConfig
from transfer.portmap.core import PortMapCore
from transfer.portmap.epoch import EpochWatch
from transfer.portmap.exchange import MAX_ANSWERS, GatewayExchange
from transfer.portmap.natpmp import NatPmpError
from transfer.portmap.values import Grant, MappedProtocol, PortMapError, PortMapFailure, PortMapMethod

TCP, UDP = MappedProtocol.TCP, MappedProtocol.UDP
PCP, NAT_PMP, UPNP = PortMapMethod.PCP, PortMapMethod.NAT_PMP, PortMapMethod.UPNP
CONFIG = PortMapConfig(look_interval_s=10_000)


def grants(port: int = 7000, *, lifetime_s: int | None = 3600, epoch_s: int | None = 1) -> tuple[Grant, ...]:
    return tuple(
        Grant(protocol=protocol, internal_port=6881, external_port=port, lifetime_s=lifetime_s, epoch_s=epoch_s)
        for protocol in (TCP, UDP)
    )


def new_core(config: PortMapConfig = CONFIG) -> PortMapCore:
    core = PortMapCore(port=6881, protocols=(TCP, UDP), config=config, rng=Random(1), now=0.0)
    core.receive_local_host("192.168.1.2", now=0.0)
    return core


def test_a_mapping_is_renewed_at_three_quarters_of_its_lifetime() -> None:
    core = new_core()
    assert core.next_timer() == 0
    assert core.served(PCP, grants(lifetime_s=1000), "1.2.3.4", now=0) == ()
    core.turn_ended(now=1)
    assert core.next_timer() == 750
    core.check_invariants()
    status = core.status()
    assert (status.method, status.tcp_port, status.udp_port) == (PCP, 7000, 7000)
    assert str(status.external) == "1.2.3.4:7000"
    assert not status.is_behind_another_nat


def test_a_gateway_that_grants_next_to_nothing_is_not_asked_all_the_time() -> None:
    core = new_core()
    core.served(PCP, grants(lifetime_s=1), None, now=0)
    core.turn_ended(now=0)
    assert core.next_timer() == 4


def test_a_gateway_that_restarts_unseen_is_asked_again_soon() -> None:
    core = new_core(PortMapConfig(look_interval_s=300))
    core.served(UPNP, grants(lifetime_s=None, epoch_s=None), "1.2.3.4", now=0)
    core.turn_ended(now=0)
    assert core.next_timer() == 300


def test_a_private_address_outside_is_told() -> None:
    core = new_core()
    core.served(UPNP, grants(), "192.168.0.5", now=0)
    core.turn_ended(now=0)
    assert core.status().is_behind_another_nat


def test_what_served_is_tried_first() -> None:
    core = new_core()
    assert core.methods_to_try() == (PCP, NAT_PMP, UPNP)
    core.served(UPNP, grants(), None, now=0)
    assert core.methods_to_try() == (UPNP, PCP, NAT_PMP)


def test_failures_are_told_and_lead_to_longer_and_longer_waits() -> None:
    core = new_core(PortMapConfig(retry_s=60, max_retry_s=200))
    due = []
    for _ in range(4):
        now = core.next_timer()
        for method in core.methods_to_try():
            core.failed(method, PortMapError("it did not answer", failure=PortMapFailure.SILENT))
        core.turn_ended(now=now)
        due.append(core.next_timer() - now)
    assert due == [60, 120, 200, 200]
    assert core.status().failures == tuple((method, "it did not answer") for method in (PCP, NAT_PMP, UPNP))
    assert core.status().is_settled
    core.check_invariants()


def test_another_address_of_this_host_is_mapped_at_once() -> None:
    core = new_core()
    core.served(PCP, grants(), "1.2.3.4", now=0)
    core.turn_ended(now=0)
    core.receive_local_host("192.168.1.2", now=5)
    assert core.next_timer() > 100
    core.receive_local_host("192.168.1.9", now=5)
    assert core.next_timer() == 5
    assert core.status().tcp_port is None
    assert core.new_round().next_step().request.external_port == 7000  # type: ignore[union-attr]  # what others know


def test_a_restart_is_counted_and_a_moved_port_given_back() -> None:
    core = new_core()
    core.served(PCP, grants(epoch_s=5000), "1.2.3.4", now=0)
    stale = core.served(PCP, grants(7001, epoch_s=3), "1.2.3.4", now=2700)
    assert [(grant.protocol, grant.external_port) for grant in stale] == [(TCP, 7000), (UDP, 7000)]
    assert core.status().gateway_restarts == 1
    assert core.status().renewals == 1


@pytest.mark.parametrize(
    ("epochs", "restarts"),
    [
        ([(100, 0.0), (200, 100.0)], False),
        ([(100, 0.0), (196, 100.0)], False),  # a slow clock
        ([(100, 0.0), (90, 100.0)], True),
        ([(100, 0.0), (100, 100.0)], True),
        ([(100, 0.0), (99, 0.0)], False),  # answers in another order
        ([(100, 0.0), (4000, 100.0)], True),
    ],
)
def test_an_epoch_that_does_not_fit_the_clock_is_a_restart(epochs: list[tuple[int, float]], restarts: bool) -> None:
    watch = EpochWatch()
    assert not watch.receive_epoch(epochs[0][0], now=epochs[0][1])
    assert watch.receive_epoch(epochs[1][0], now=epochs[1][1]) is restarts


def read(data: bytes) -> str | None:
    if data == b"garbage":
        raise NatPmpError("nonsense")
    if data == b"no":
        raise PortMapError("it refused", failure=PortMapFailure.REFUSED)
    return data.decode() if data != b"another" else None


def test_a_request_is_repeated_until_it_is_given_up() -> None:
    exchange = GatewayExchange(b"?", read, config=PortMapConfig(answer_timeout_s=1.5), now=0.0)
    sent = []
    while (now := exchange.next_timer()) is not None:
        exchange.handle_timer(now=now)
        sent += [now for _ in exchange.datagrams_to_send(now=now)]
    assert sent == [0, 0.25, 0.75]
    assert exchange.error is not None
    assert exchange.error.failure is PortMapFailure.SILENT


def test_the_answer_is_that_which_belongs_to_the_request() -> None:
    exchange = GatewayExchange(b"?", read, config=CONFIG, now=0.0)
    for data in (b"another", b"garbage", b"yes", b"no"):
        exchange.receive_datagram(data)
    assert (exchange.answer, exchange.error) == ("yes", None)


def test_garbage_without_end_is_an_error() -> None:
    exchange = GatewayExchange(b"?", read, config=CONFIG, now=0.0)
    for _ in range(MAX_ANSWERS):
        exchange.receive_datagram(b"garbage")
    assert exchange.error is not None
    assert exchange.error.failure is PortMapFailure.GARBAGE
