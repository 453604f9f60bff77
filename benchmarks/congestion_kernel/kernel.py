"""One transfer over the kernel's TCP, from one namespace to the other."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.congestion_kernel.relay import Relay
from transfer import available_congestion_controls
from transfer.simulation import Link


class NoNamespacesError(Exception):
    """This machine or this user makes no namespaces with devices in them; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRun:
    """What one transfer over the kernel's TCP came to.

    Attributes:
        seconds: from when the first byte was sent until the last one was read, the connection being there before.
        retransmitted: packets that the kernel sent again.
        dropped, lost: packets of data that found the queue full, or were lost on the line.
        receiver_limited_s: for how long the receiver's window, and not the controller, held the sender back.
        latest_us: by how much the latest packet came too late out of the relay.
    """

    seconds: float
    retransmitted: int
    dropped: int
    lost: int
    receiver_limited_s: float
    latest_us: int


def run_kernel(
    controller: str, *, size: int, data: Link, acknowledgements: Link, seed: int, timeout_s: float = 120.0
) -> KernelRun:
    """Sends `size` bytes over such links.

    Raises:
        NoNamespacesError: not on this machine, or not with this controller.
        TimeoutError: it took longer than `timeout_s`.
    """
    if sys.platform != "linux":
        raise NoNamespacesError("network namespaces are a thing of Linux")
    if controller not in available_congestion_controls():
        raise NoNamespacesError(f"the kernel has no congestion control {controller!r}: modprobe tcp_{controller}")
    with ExitStack() as stack:
        receiver, sender = (
            stack.enter_context(_Endpoint(role, controller, size, data.mtu_bytes)) for role in ("receiver", "sender")
        )
        rng = random.Random(f"lab {seed}")
        rng.random()  # the lab's flow has this one: the same packets are lost here and there
        relay = Relay((sender.device, receiver.device), (data, acknowledgements), rng)
        receiver.next_answer()
        with _RealTime():
            sender.control.send(b"!")
            until = time.monotonic() + timeout_s
            is_over = relay.run(sender.control.fileno(), is_over=lambda: True, until=until)
        if not is_over:
            raise TimeoutError(f"{size} bytes with {controller} took more than {timeout_s:.0f} s")
        sent, received = sender.next_answer(), receiver.next_answer()
    return KernelRun(
        seconds=received["ended"] - sent["began"],
        retransmitted=int(sent["retransmitted"]),
        dropped=relay.dropped[0],
        lost=relay.lost[0],
        receiver_limited_s=sent["receiver_limited_s"],
        latest_us=relay.latest_us,
    )


class _Endpoint:
    """One end, which is a process of its own; use it with `with`."""

    def __init__(self, role: str, controller: str, size: int, mtu: int) -> None:
        here, peer = (RECEIVER, SENDER) if role == "receiver" else (SENDER, RECEIVER)
        settings = {
            "role": role,
            "address": here,
            "peer": peer,
            "controller": controller,
            "size": size,
            "mtu": mtu,
            "buffer_bytes": max(4 << 20, 4 * size),
        }
        self.control, theirs = socket.socketpair()
        self.device = -1
        program = [sys.executable, "-I", str(Path(__file__).with_name("endpoint.py"))]
        with theirs:
            self._process = subprocess.Popen(
                [*program, json.dumps(settings), str(theirs.fileno())], pass_fds=(theirs.fileno(),)
            )
        self.control.settimeout(ANSWER_S)
        self._answers = self.control.makefile("r", encoding="utf-8")

    def __enter__(self) -> _Endpoint:
        try:
            line, devices, _, _ = socket.recv_fds(self.control, 4096, 1)
            told = json.loads(line or b'{"error": "its process ended"}')
            if "error" in told:
                raise NoNamespacesError(f"no network namespace with a TUN device can be made here: {told['error']}")
        except BaseException:
            self.__exit__()
            raise
        self.device = devices[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self.control.close()
        if self.device >= 0:
            os.close(self.device)
        self._process.kill()
        self._process.wait()

    def next_answer(self) -> dict[str, float]:
        """What it says next."""
        told: dict[str, float] = json.loads(self._answers.readline())
        return told


class _RealTime:
    """The relay runs when it wants to, if this user may have that: what else runs here must not delay packets."""

    def __enter__(self) -> None:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


SENDER, RECEIVER = "10.99.0.1", "10.99.0.2"
ANSWER_S = 20.0
PRIORITY = 10
