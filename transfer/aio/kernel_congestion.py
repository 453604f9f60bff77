"""Chooses which of the kernel's congestion controllers drives a TCP socket."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import suppress
from pathlib import Path

from transfer.errors import TransferError


class CongestionControlError(TransferError, ValueError):
    """The system's TCP cannot be given the congestion controller that was asked for.

    Attributes:
        name: what was asked for.
        available: what may be asked for instead, as the system lists it; empty where a program cannot choose.
    """

    def __init__(self, name: str, reason: str, available: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.name = name
        self.available = available


def available_congestion_controls() -> tuple[str, ...]:
    """The names that Linux lists; empty elsewhere, and where they cannot be read.

    The kernel may know more of them as modules that nobody has loaded yet.
    """
    return _listed("tcp_available_congestion_control")


def choose_congestion_control(sock: socket.socket, name: str) -> None:
    """What `sock` sends from now on, and what the connections send that it accepts, is up to this controller.

    Raises:
        CongestionControlError: the system does not have it, this user may not choose it, or no program can choose.
    """
    option = getattr(socket, "TCP_CONGESTION", None)
    if option is None:
        raise CongestionControlError(
            name, f"no program can choose TCP's congestion control on this system ({sys.platform}): leave {name!r} out"
        )
    encoded = name.encode()
    if not 0 < len(encoded) < MAX_NAME_BYTES or b"\0" in encoded:
        raise _unknown(name)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, option, encoded)
    except PermissionError:
        allowed = _listed("tcp_allowed_congestion_control")
        raise CongestionControlError(
            name,
            f"this user may not choose TCP's congestion control {name!r}; allowed: {', '.join(allowed) or 'unknown'}"
            " (the sysctl net.ipv4.tcp_allowed_congestion_control)",
            allowed,
        ) from None
    except OSError as error:
        if isinstance(error, TransferError):  # of a simulated socket, which names those that it knows
            raise CongestionControlError(name, str(error), getattr(error, "known", ())) from None
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise
        raise _unknown(name) from None


def check_congestion_control(name: str) -> None:
    """Whether TCP sockets of this program can have this controller.

    Raises:
        CongestionControlError: they cannot.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        choose_congestion_control(sock, name)


def _unknown(name: str) -> CongestionControlError:
    available = available_congestion_controls()
    return CongestionControlError(
        name,
        f"the system's TCP has no congestion control {name!r}; available: {', '.join(available) or 'unknown'}",
        available,
    )


def _listed(setting: str) -> tuple[str, ...]:
    with suppress(OSError, UnicodeDecodeError):
        return tuple((SETTINGS / setting).read_text(encoding="ascii").split())
    return ()


SETTINGS = Path("/proc/sys/net/ipv4")
MAX_NAME_BYTES = 16  # TCP_CA_NAME_MAX of include/net/tcp.h, with the zero at its end
