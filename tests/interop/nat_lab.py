"""An internet of network namespaces on this machine: hosts that all can call, and hosts behind NAT boxes of nftables.

Nothing of it is seen outside: every namespace belongs to a process of ours and is gone with it, devices and rules
included.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.interop.require import require_program

INTERNET, BITS = "203.0.113", 24  # RFC 5737; to programs it is as public as any


class NoNatError(Exception):
    """This machine or this user makes no namespaces with NAT boxes in them; the text says what is missing."""


class NatLab:
    """Use it with `with`; what `public` and `behind_nat` return is the beginning of a command that runs there.

    Raises:
        NoNatError: on entry, or from `behind_nat`.
    """

    def __init__(self) -> None:
        self._holders: list[subprocess.Popen[bytes]] = []
        self._hosts = 0

    def __enter__(self) -> Self:
        if sys.platform != "linux":
            raise NoNatError("network namespaces are a thing of Linux")
        for program, package in (("nft", "nftables"), ("ip", "iproute2"), ("nsenter", "util-linux")):
            require_program(program, package)
        try:
            self._internet = self._namespace()
            _run(self._internet, "ip link set lo up; ip link add br0 type bridge; ip link set br0 up")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for holder in reversed(self._holders):
            holder.communicate()  # it ends with its standard input

    def public(self) -> tuple[tuple[str, ...], str]:
        """A host that all can call; how to run something there, and its address."""
        pid = self._namespace()
        address = self._attach(pid)
        _run(pid, "ip link set lo up")
        return _inside(pid), address

    def behind_nat(self, *, is_symmetric: bool = False) -> tuple[tuple[str, ...], str, str]:
        """A host behind a box of its own; how to run something there, its address, and that of the box.

        The box lets in answers only, from the port that was written to. It keeps the number of a port where it can;
        with `is_symmetric` it gives each target another one at random.
        """
        box, host = self._namespace(), self._namespace()
        outer = self._attach(box)
        network = f"192.168.{self._hosts}"
        inner = f"{network}.2"
        ports = " random" if is_symmetric else ""
        _run(self._internet, f"ip link add lan netns {box} type veth peer name eth0 netns {host}")
        _run(host, f"ip link set lo up; ip addr add {inner}/24 dev eth0; ip link set eth0 up")
        _run(
            box,
            f"""ip link set lo up; ip addr add {network}.1/24 dev lan; ip link set lan up
            echo 1 > /proc/sys/net/ipv4/ip_forward
            nft -f - <<'RULES'
            table ip box {{
                chain out {{ type nat hook postrouting priority srcnat; oifname "eth0" masquerade{ports}; }}
                chain through {{
                    type filter hook forward priority filter; policy drop;
                    iifname "lan" accept
                    ct state established,related accept
                }}
                chain to {{ type filter hook input priority filter; policy drop; }}
            }}
RULES
            """,
        )
        _run(host, f"ip route add default via {network}.1")
        return _inside(host), inner, outer

    def _attach(self, pid: int) -> str:
        """Gives a namespace a device in the internet; its address."""
        self._hosts += 1
        address = f"{INTERNET}.{self._hosts}"
        line = f"line{self._hosts}"
        _run(
            self._internet,
            f"ip link add {line} type veth peer name eth0 netns {pid}; ip link set {line} master br0 up",
        )
        _run(
            pid,
            f"ip addr add {address}/{BITS} dev eth0; ip link set eth0 up; ip route add default dev eth0",
        )
        return address

    def _namespace(self) -> int:
        """A new one; the process that holds it."""
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._holders.append(holder)
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != b"\n":
            said = holder.stderr.read().decode(errors="replace").strip()
            raise NoNatError(f"no network namespaces can be made here: {said}")
        return holder.pid


def _inside(pid: int) -> tuple[str, ...]:
    return (shutil.which("nsenter") or "nsenter", f"--net=/proc/{pid}/ns/net", "--")


def _run(pid: int, script: str) -> None:
    done = subprocess.run(
        [*_inside(pid), "sh", "-ec", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoNatError(f"no NAT box can be made of network namespaces here: {done.stderr.strip()}")
