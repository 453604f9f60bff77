"""All checks, and how one of them is run against one transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import ModuleType

from tests.conformance.checks import closing, data, flow, half_close, opening, scatter, streams
from tests.conformance.plugs import Plug, judge

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
