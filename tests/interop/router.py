"""A home with a router: three network namespaces, NAT by nftables between two of them, and a real miniupnpd."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.interop.programs import end_process, wait_until
from tests.interop.require import require_program

INSIDE, OTHER_INSIDE, GATEWAY = "192.168.77.2", "192.168.77.3", "192.168.77.1"
OUTSIDE = ("11.22.33.1", "11.22.33.2", "11.22.33.3")
OUTER = "11.22.33.44"
NO_NAMESPACES = "no network namespaces with a router can be made here"
ROOT = Path(__file__).parents[2]

# Debian's miniupnpd-nftables uses chains that it does not make; its rules are of the family `inet`, all in one table.
RULES = """
table inet filter {
  chain miniupnpd { }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept; iifname inner accept; jump miniupnpd;
  }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 100; jump postrouting_miniupnpd; oifname outer masquerade; }
}
"""
CONFIG = """
ext_ifname=outer
listening_ip=inner
http_port=0
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
system_uptime=no
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 192.168.77.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""
_numbers = itertools.count()


class Router:
    """Namespaces `inside`, `gateway` and `outside`, and a miniupnpd in the one between the others.

    Args:
        outer: the router's address outside; miniupnpd refuses everything behind a private one.
    """

    def __init__(self, *, outer: str = OUTER) -> None:
        self.outer = outer
        tag = f"kad{os.getpid()}n{next(_numbers)}"
        self.inside, self.gateway, self.outside = f"{tag}-in", f"{tag}-gw", f"{tag}-out"
        self._daemon: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._program = require_program("miniupnpd", "miniupnpd-nftables")
        require_program("nft", "nftables")
        self._ip = require_program("ip", "iproute2")
        self.directory = Path(tempfile.mkdtemp(prefix="router-"))
        try:
            self._build()
            await self.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def command(self, namespace: str, *words: object) -> tuple[str, ...]:
        """What runs a command in one of the namespaces."""
        return (self._ip, "netns", "exec", namespace, *map(str, words))

    def run(self, namespace: str, *words: object, given: str | None = None) -> str:
        """Runs a command to its end, and returns what it said."""
        command = self.command(namespace, *words)
        return subprocess.run(command, check=True, capture_output=True, text=True, input=given, timeout=30).stdout

    async def start(self) -> None:
        """Starts the daemon, with a table without mappings."""
        self.run(self.gateway, "nft", "flush", "ruleset")
        self.run(self.gateway, "nft", "-f", "-", given=RULES)
        config = self.directory / "config"
        config.write_text(CONFIG)
        log = (self.directory / "log").open("wb")
        with log:
            self._daemon = await asyncio.create_subprocess_exec(
                *self.command(self.gateway, self._program, "-d", "-f", config, "-P", self.directory / "pid"),
                stdout=log,
                stderr=log,
            )

        async def listens() -> bool:
            return "Listening for NAT-PMP/PCP" in (self.directory / "log").read_text(errors="replace")

        await wait_until(listens, what="miniupnpd listens", within_s=20)

    async def stop(self) -> None:
        """Ends the daemon."""
        if self._daemon is not None:
            await end_process(self._daemon)
            self._daemon = None

    def mappings(self) -> str:
        """The rules that the daemon made of mappings."""
        listed = self.run(self.gateway, "nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd")
        return "\n".join(line.strip() for line in listed.splitlines() if "dnat" in line)

    def _build(self) -> None:
        def ip(*words: str) -> None:
            subprocess.run((self._ip, *words), check=True, capture_output=True, timeout=30)

        try:
            for name in (self.inside, self.gateway, self.outside):
                ip("netns", "add", name)
            ip("-n", self.gateway, "link", "add", "inner", "type", "veth", "peer", "name", "eth0", "netns", self.inside)
            ip(
                "-n",
                self.gateway,
                "link",
                "add",
                "outer",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                self.outside,
            )
        except subprocess.CalledProcessError as error:
            pytest.skip(f"{NO_NAMESPACES}: {error.stderr.decode().strip()}")
        addresses: Sequence[tuple[str, str, str]] = (
            (self.inside, "eth0", f"{INSIDE}/24"),
            (self.inside, "eth0", f"{OTHER_INSIDE}/24"),
            (self.inside, "eth0", "fd77::2/64"),
            (self.gateway, "inner", f"{GATEWAY}/24"),
            (self.gateway, "inner", "fd77::1/64"),
            (self.gateway, "outer", f"{self.outer}/24"),
            *((self.outside, "eth0", f"{self.outer.rpartition('.')[0]}.{number}/24") for number in (1, 2, 3)),
        )
        for name, device, address in addresses:
            nodad = ("nodad",) if ":" in address else ()
            ip("-n", name, "addr", "add", address, "dev", device, *nodad)
        for name, devices in ((self.inside, "lo eth0"), (self.gateway, "lo inner outer"), (self.outside, "lo eth0")):
            for device in devices.split():
                ip("-n", name, "link", "set", device, "up")
        ip("-n", self.inside, "route", "add", "default", "via", GATEWAY, "src", INSIDE)
        self.run(self.gateway, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    async def _end(self) -> None:
        await self.stop()
        self._remove()

    def _remove(self) -> None:
        for name in (self.inside, self.gateway, self.outside):
            subprocess.run((self._ip, "netns", "del", name), check=False, capture_output=True, timeout=30)
        shutil.rmtree(self.directory, ignore_errors=True)


class Child:
    """A Python module that runs in a namespace and says lines."""

    def __init__(self, router: Router, namespace: str, module: str, *words: object) -> None:
        self._command = router.command(namespace, sys.executable, "-m", module, *words)

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await end_process(self.process)

    async def line(self) -> str:
        """The next one."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            line = await self.process.stdout.readline()
        assert line, f"it ended: {self._command}"
        return line.decode().strip()

    async def close(self) -> None:
        """Tells it to end, and waits for that."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(30):
            await self.process.wait()
