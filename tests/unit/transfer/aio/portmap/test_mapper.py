"""A port mapped by gateways of all kinds: willing, forgetful, lying and silent ones, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import pytest

from tests.scripted_gateway import OUTER, Box, datagram_box, upnp_box
from transfer.aio.portmap.mapper import PortMapper
from transfer.portmap.config import PortMapConfig
from transfer.portmap.values import PortMapMethod, PortMapStatus
from transfer.simulation import Simulation, run

ROUTER, HOST = "192.168.1.1", "192.168.1.2"
CONFIG = PortMapConfig(gateway=ROUTER)
PORT = 6881

Scenario = Callable[[Simulation, Box, AsyncExitStack], Awaitable[Any]]


def simulate(scenario: Scenario, **options: Any) -> Any:
    """Runs it with a gateway of these options."""

    async def whole(simulation: Simulation) -> Any:
        box = Box(**options)
        async with AsyncExitStack() as stack:
            return await scenario(simulation, box, stack)

    return run(whole, seed=1).result


async def gateway(simulation: Simulation, box: Box, stack: AsyncExitStack, **options: Any) -> Any:
    with simulation.host(ROUTER):
        return await stack.enter_async_context(datagram_box(box, ROUTER, **options))


async def upnp(simulation: Simulation, box: Box, stack: AsyncExitStack) -> Any:
    with simulation.host(ROUTER):
        return await stack.enter_async_context(upnp_box(box, ROUTER))


async def mapper(
    simulation: Simulation, stack: AsyncExitStack, config: PortMapConfig = CONFIG, **options: Any
) -> PortMapper:
    with simulation.host(HOST):
        made = PortMapper(PORT, host=HOST, rng=Random(simulation.rng.getrandbits(64)), config=config, **options)
        return await stack.enter_async_context(made)


async def close(simulation: Simulation, made: PortMapper) -> None:
    with simulation.host(HOST):
        await made.aclose()


async def settled(simulation: Simulation, stack: AsyncExitStack, config: PortMapConfig = CONFIG) -> PortMapStatus:
    return await (await mapper(simulation, stack, config)).wait_settled()


@pytest.mark.parametrize(
    ("speaks", "method"),
    [
        (("pcp", "natpmp"), PortMapMethod.PCP),
        (("natpmp",), PortMapMethod.NAT_PMP),
        (("pcp",), PortMapMethod.PCP),
    ],
)
def test_both_protocols_are_mapped_and_given_back(speaks: tuple[str, ...], method: PortMapMethod) -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, Any, Any]:
        await gateway(simulation, box, stack, speaks=speaks)
        made = await mapper(simulation, stack)
        status = await made.wait_settled()
        table = dict(box.mappings)
        await close(simulation, made)
        return status, table, dict(box.mappings)

    status, table, left = simulate(scenario)
    assert status.method is method
    assert (str(status.external), status.udp_port, status.local_host) == (f"{OUTER}:{PORT}", PORT, HOST)
    assert table == {(6, PORT): (HOST, PORT), (17, PORT): (HOST, PORT)}
    assert left == {}


def test_upnp_maps_when_nothing_else_does() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> Any:
        speaker = await upnp(simulation, box, stack)
        made = await mapper(simulation, stack)
        status = await made.wait_settled()
        table = dict(box.mappings)
        await close(simulation, made)
        return status, table, dict(box.mappings), [action for action, _ in speaker.calls]

    status, table, left, actions = simulate(scenario)
    assert status.method is PortMapMethod.UPNP
    assert str(status.external) == f"{OUTER}:{PORT}"
    assert [method for method, _ in status.failures] == [PortMapMethod.PCP, PortMapMethod.NAT_PMP]
    assert set(table) == {(6, PORT), (17, PORT)}
    assert left == {}
    assert actions.count("AddPortMapping") == actions.count("DeletePortMapping") == 2


def test_a_mapping_is_made_again_before_it_ends() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> list[float]:
        await gateway(simulation, box, stack)
        await (await mapper(simulation, stack)).wait_settled()
        await asyncio.sleep(400)
        return [when for when, *_ in box.asked]

    when = simulate(scenario, max_lifetime_s=120)
    rounds = [round(at) for at in when[::2]]
    assert rounds == [0, 90, 180, 270, 360]


def test_after_a_restart_the_gateway_has_the_mappings_again() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, Any]:
        await gateway(simulation, box, stack)
        made = await mapper(simulation, stack)
        await made.wait_settled()
        await asyncio.sleep(400)
        box.restart()
        await asyncio.sleep(CONFIG.look_interval_s + 1)
        return made.status(), set(box.mappings)

    status, table = simulate(scenario)
    assert table == {(6, PORT), (17, PORT)}
    assert status.gateway_restarts == 1


def test_a_port_that_is_taken_leads_to_another_one_for_both() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, Any]:
        await gateway(simulation, box, stack, speaks=("natpmp",))
        status = await settled(simulation, stack)
        return status, set(box.mappings)

    status, table = simulate(scenario, taken={PORT})
    assert status.tcp_port == status.udp_port == PORT + 1
    assert table == {(6, PORT + 1), (17, PORT + 1)}


@pytest.mark.parametrize("kind", ["pcp", "upnp"])
def test_a_gateway_that_refuses_a_taken_port_is_asked_for_another(kind: str) -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, Any]:
        if kind == "pcp":
            await gateway(simulation, box, stack, speaks=("pcp",))
        else:
            await upnp(simulation, box, stack)
        return await settled(simulation, stack), dict(box.mappings)

    status, table = simulate(scenario, taken={PORT}, gives_next=False)
    assert status.tcp_port == status.udp_port
    assert status.tcp_port not in (None, PORT)
    assert table == {(6, status.tcp_port): (HOST, PORT), (17, status.tcp_port): (HOST, PORT)}


def test_the_mapping_of_another_host_is_left_to_it_even_if_the_gateway_would_give_it_away() -> None:
    theirs = {(6, PORT): ("192.168.1.77", 80)}

    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, Any]:
        await upnp(simulation, box, stack)
        made = await mapper(simulation, stack)
        status = await made.wait_settled()
        await close(simulation, made)
        return status, box.mappings

    status, table = simulate(scenario, mappings=dict(theirs))
    assert status.tcp_port not in (None, PORT)
    assert table == theirs


def test_a_gateway_with_lasting_mappings_only_gets_them_taken_back() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, Any]:
        (await upnp(simulation, box, stack)).only_permanent = True
        made = await mapper(simulation, stack)
        status = await made.wait_settled()
        await close(simulation, made)
        return status, box.mappings

    status, left = simulate(scenario)
    assert status.method is PortMapMethod.UPNP
    assert left == {}


def test_another_nat_outside_is_told() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> PortMapStatus:
        await gateway(simulation, box, stack)
        return await settled(simulation, stack)

    assert simulate(scenario, outer="100.64.3.4").is_behind_another_nat


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"speaks": ()}, "it did not answer"),
        ({"twist": lambda answer: b"nonsense" + answer}, "its answer makes no sense"),
        ({"twist": lambda answer: answer[:6]}, "makes no sense"),
        ({"pcp_code": 2, "natpmp_code": 2}, "not authorised"),
        ({"pcp_code": 8, "natpmp_code": 3}, "no usable address outside"),
        ({"pcp_code": 77, "natpmp_code": 77}, "with code 77"),
    ],
)
def test_a_gateway_that_is_of_no_use_is_named(options: dict[str, Any], text: str) -> None:
    methods = (PortMapMethod.PCP, PortMapMethod.NAT_PMP)

    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, float]:
        await gateway(simulation, box, stack, **options)
        before = asyncio.get_running_loop().time()
        status = await settled(simulation, stack, replace(CONFIG, methods=methods))
        return status, asyncio.get_running_loop().time() - before

    status, took_s = simulate(scenario)
    assert status.method is None
    assert [method for method, _ in status.failures] == list(methods)
    assert all(text in reason for _, reason in status.failures), status.failures
    assert took_s <= 2 * CONFIG.answer_timeout_s + 0.1


HTTP_OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("twist", "text"),
    [
        (lambda box: setattr(box, "description", "<root/>"), "no service"),
        (lambda box: setattr(box, "description", "<!DOCTYPE a><root/>"), "document type"),
        (lambda box: setattr(box, "raw", b"\x00\x01\r\n\r\n"), "cannot be asked over HTTP"),
        (lambda box: setattr(box, "raw", HTTP_OK + b"Content-Length: 9999999\r\n\r\n" + bytes(200_000)), "no end"),
        (lambda box: setattr(box, "raw", b"HTTP/1.1 302 x\r\nLocation: http://9.9.9.9/\r\n\r\n"), "HTTP 302"),
        (lambda box: setattr(box, "location", "http://192.168.1.77/root.xml"), "nobody answered"),
        (lambda box: setattr(box, "hangs", True), "did not answer over HTTP"),
        (lambda box: box.faults.update(AddPortMapping=606), "not authorised"),
        (lambda box: box.faults.update(AddPortMapping=501), "no usable address outside"),
    ],
)
def test_a_upnp_gateway_that_is_of_no_use_is_named(twist: Callable[[Any], None], text: str) -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[PortMapStatus, float]:
        twist(await upnp(simulation, box, stack))
        before = asyncio.get_running_loop().time()
        status = await settled(simulation, stack, replace(CONFIG, methods=(PortMapMethod.UPNP,)))
        return status, asyncio.get_running_loop().time() - before

    status, took_s = simulate(scenario)
    assert status.method is None
    assert text in status.failures[0][1]
    assert took_s <= CONFIG.round_timeout_s


async def closing_while_it_hangs(simulation: Simulation, box: Box, stack: AsyncExitStack) -> float:
    protocol = await gateway(simulation, box, stack)
    made = await mapper(simulation, stack)
    await made.wait_settled()
    protocol.twist = lambda answer: None
    before = asyncio.get_running_loop().time()
    await close(simulation, made)
    return asyncio.get_running_loop().time() - before


def test_a_gateway_that_hangs_holds_the_end_up_for_a_moment_only() -> None:
    assert simulate(closing_while_it_hangs) <= CONFIG.close_timeout_s + 0.01


def test_what_was_mapped_half_way_is_given_back() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> tuple[Any, Any]:
        protocol = await gateway(simulation, box, stack, speaks=("natpmp",))
        heard = asyncio.Event()

        def only_tcp(answer: bytes) -> bytes | None:
            heard.set()
            return answer if answer[1] == 130 else None

        protocol.twist = only_tcp
        made = await mapper(simulation, stack, replace(CONFIG, methods=(PortMapMethod.NAT_PMP,)))
        await heard.wait()
        await asyncio.sleep(0.5)
        table = set(box.mappings)
        await close(simulation, made)
        return table, {key for key in box.mappings if key[0] == 6}

    table, left = simulate(scenario)
    assert (6, PORT) in table
    assert not left


def test_without_a_network_nothing_is_asked() -> None:
    async def whole(simulation: Simulation) -> PortMapStatus:
        with simulation.host(HOST):
            async with PortMapper(PORT, host="::", rng=Random(1), config=PortMapConfig()) as made:
                return await made.wait_settled()

    status = run(whole, seed=1).result
    assert status.method is None
    assert {reason for _, reason in status.failures} == {"this host has no public IPv6 address"}


def test_changes_are_told_once() -> None:
    async def scenario(simulation: Simulation, box: Box, stack: AsyncExitStack) -> list[PortMapStatus]:
        told: list[PortMapStatus] = []
        await gateway(simulation, box, stack)
        await mapper(simulation, stack, on_change=told.append)
        await asyncio.sleep(3)
        return told

    assert [status.tcp_port for status in simulate(scenario)] == [PORT]


def test_one_seed_is_one_run() -> None:
    async def whole(simulation: Simulation) -> float:
        async with AsyncExitStack() as stack:
            return await closing_while_it_hangs(simulation, Box(), stack)

    assert len({run(partial(whole), seed=3).digest for _ in range(2)}) == 1
