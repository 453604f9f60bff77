"""What happens to exceptions that no code is there to catch: they are kept, so that the run can fail with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from transfer.simulation.host import current_boot


class ExceptionReports(asyncio.AbstractEventLoop):
    """The exception handler of a loop, as asyncio documents it; the default one collects instead of logging."""

    def __init__(self) -> None:
        super().__init__()
        self.unhandled: list[dict[str, Any]] = []
        self._exception_handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None

    def set_exception_handler(
        self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None
    ) -> None:
        if handler is not None and not callable(handler):
            raise TypeError(f"A callable object or None is expected, got {handler!r}")
        self._exception_handler = handler

    def get_exception_handler(self) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None:
        return self._exception_handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        is_cancellation = isinstance(context.get("exception"), asyncio.CancelledError)
        if len(self.unhandled) < MAX_UNHANDLED and not is_cancellation and not _is_of_a_dead_host(context):
            self.unhandled.append(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._exception_handler is None:
            self.default_exception_handler(context)
            return
        try:
            self._exception_handler(self, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # the last one to look
            self.default_exception_handler(
                {"message": "Unhandled error in exception handler", "exception": error, "context": context}
            )


def _is_of_a_dead_host(context: dict[str, Any]) -> bool:
    """What a program does while its host dies is no failure: in truth it would not run at all."""
    if any(getattr(context.get(key), "has_crashed", False) for key in ("task", "future")):
        return True
    handle_context = getattr(context.get("handle"), "_context", None)
    boot = handle_context.get(current_boot) if handle_context is not None else None
    host = getattr(context.get("transport"), "host", None)
    return (boot is not None and not boot.is_alive) or (host is not None and not host.is_up)


def describe_failure(context: dict[str, Any]) -> str:
    """One line for a report of the exception handler."""
    parts = [str(context.get("message", "unhandled failure"))]
    if (error := context.get("exception")) is not None:
        parts.append(f"{type(error).__name__}: {error}")
    parts += [f"{key}={context[key]!r}" for key in ("handle", "task", "future", "protocol") if key in context]
    return "; ".join(parts)


MAX_UNHANDLED = 100
