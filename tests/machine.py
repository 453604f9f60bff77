"""What the machine that runs the tests has."""

from __future__ import annotations

import errno
import functools
import os
import socket
from pathlib import Path

from transfer import CongestionControlError, available_congestion_controls, check_congestion_control

CHECKOUT = Path(os.environ.get("KAD_TESTS_CHECKOUT", Path(__file__).parents[1]))  # tox runs copies of the tests


def is_long() -> bool:
    """Whether this is a run for which nobody waits (`tox -e long`): everything has its full size."""
    return os.environ.get("TOX_ENV_NAME", "").startswith("long")


def is_ci() -> bool:
    """Whether everything that tests need has been installed, so that nothing may be left out in silence."""
    return os.environ.get("CI", "").lower() in ("1", "true")


@functools.cache
def has_ipv6() -> bool:
    """Whether a socket can be bound to ::1."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def is_missing_ipv6(error: BaseException | None) -> bool:
    """Whether `error`, or what it came from, is what ::1 gives on a machine without it."""
    if has_ipv6():
        return False
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, OSError) and one.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH):
            return True
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return False


@functools.cache
def selectable_congestion_controls() -> tuple[str, ...]:
    """The kernel's congestion controls of TCP that this user may choose; none where no program may."""

    def is_selectable(name: str) -> bool:
        try:
            check_congestion_control(name)
        except CongestionControlError:
            return False
        return True

    return tuple(name for name in available_congestion_controls() if is_selectable(name))
