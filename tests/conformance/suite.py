"""All checks, and how one of them is run against one transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import ModuleType

from tests.conformance.checks import closing, data, flow, half_close, opening, scatter, streams
from tests.conformance.plugs import Plug, applies, judge
from tests.machine import is_long

Check = Callable[[Plug], Awaitable[None]]

TIME_LIMIT_S = 30.0


def checks_of(module: ModuleType) -> dict[str, Check]:
    """The functions named `check_…`, by the rest of their names."""
    return {name[6:]: value for name, value in vars(module).items() if name.startswith("check_")}


CHECKS: dict[str, Check] = {
    name: check
    for module in (opening, data, flow, half_close, closing, scatter, streams)
    for name, check in checks_of(module).items()
}


LARGE_CHECKS = {name for name, check in CHECKS.items() if "LARGE" in check.__code__.co_names}


def is_run(check: str, plug: str, *, simulated: bool) -> bool:
    """Whether a transport is held to a check in this run.

    Streams of a muxer and of Noise add nothing to large transfers that the transports below them do not show, so unless
    this is a long run they are checked with little data, once over sockets and once in the simulation.
    """
    if not applies(check, plug):
        return False
    kind, _, carrier = plug.partition("-")
    if is_long() or kind not in ("muxed", "noisy"):
        return True
    is_costly = check in LARGE_CHECKS or (kind == "noisy" and check == "many_connections_at_once")
    return carrier == ("memory" if simulated else "tcp") and not is_costly


async def run_check(
    check: Check, make_plug: Callable[[], AbstractAsyncContextManager[Plug]], *, time_limit_s: float = TIME_LIMIT_S
) -> None:
    """Runs a check; also fails when it leaves a task behind, or an error that nobody handled."""
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    before = asyncio.all_tasks()
    async with asyncio.timeout(time_limit_s), make_plug() as plug:
        await check(plug)
        judge(*plug.records)
    assert asyncio.all_tasks() == before
    assert not failures, failures
