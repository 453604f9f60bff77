"""uTP over ten emulated links, in virtual time, beside the published figures of libutp and utp-go.

The links, the payloads and the figures are those of arxodeus/utp-go (BENCHMARKS.md and netem/libutp_comparison_test.go,
2026), medians of seven. Five links have a column of libutp against libutp; the other five rows are utp-go's own classic
LEDBAT, which follows libutp. Time counts from before the SYN until the receiver has the last byte.

libutp's window grows by 3,000 bytes in a round trip from the first packet on. Ours doubles until packets wait for 0.9
of the target, as libtorrent's does. So both are measured: what is compared within 15 % is our uTP with libutp's growth,
and plain `ledbat` is meant to reach at least as much.

Usage: `python -m benchmarks.utp_profiles [--repeats 7] [--markdown]`.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from statistics import median
from typing import Any

from transfer import Address, Ledbat, LedbatConfig, UtpConfig, UtpTransport, controller_names, register_controller
from transfer.simulation import Link, Simulation, run

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A link, what is sent over it, and what others reach, in Mbit/s. One-way delay; the same link both ways."""

    name: str
    delay_s: float
    mbit_per_s: float
    queue_bytes: int
    payload_bytes: int
    published: float
    by: str
    loss: float = 0.0
    reorder: float = 0.0
    flows: int = 1

    @property
    def link(self) -> Link:
        return Link(
            delay_s=self.delay_s,
            rate_bytes_per_s=self.mbit_per_s * 1e6 / 8,
            queue_bytes=self.queue_bytes,
            loss=self.loss,
            reorder=self.reorder,
        )


class Sink(asyncio.Protocol):
    """Counts what comes, and checks it."""

    def __init__(self, expected: bytes) -> None:
        self._expected = memoryview(expected)
        self._count = 0
        self.done_at = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if data != self._expected[self._count : self._count + len(data)]:
            raise RuntimeError("something else arrived than was sent")
        self._count += len(data)
        if self._count == len(self._expected):
            self.done_at.set_result(asyncio.get_running_loop().time())


def register_libutps_growth() -> None:
    """Makes it known by its name, once."""
    if LIBUTPS_GROWTH not in controller_names():
        growing = LedbatConfig(slow_start_until=0)
        register_controller(LIBUTPS_GROWTH, lambda packet_bytes, rng: Ledbat(packet_bytes=packet_bytes, config=growing))


def measure(profile: Profile, seed: int, *, congestion: str) -> list[float]:
    """Mbit/s of each flow, with the controller of this name."""
    register_libutps_growth()
    config = UtpConfig(congestion=congestion)

    async def scenario(simulation: Simulation) -> list[float]:
        content = simulation.rng.randbytes(profile.payload_bytes)
        sinks: list[Sink] = []

        def accept() -> Sink:
            sinks.append(Sink(content))
            return sinks[-1]

        with simulation.host("10.0.0.1"):
            server = UtpTransport(config=config)
            listener = await server.listen(accept, Address("10.0.0.1", 1))
        began_at = simulation.now
        with simulation.host("10.0.0.2"):
            client = UtpTransport(config=config)
            calls = [client.connect(asyncio.Protocol, Address("10.0.0.1", 1)) for _ in range(profile.flows)]
            connected: list[Any] = await asyncio.gather(*calls)
        for transport, _ in connected:
            transport.write(content)
        while len(sinks) < profile.flows:  # noqa: ASYNC110  # virtual time
            await asyncio.sleep(0.001)
        ends = [await sink.done_at for sink in sinks]
        listener.close()
        for each in (client, server):
            await each.aclose()
        return [profile.payload_bytes * 8 / (end - began_at) / 1e6 for end in ends]

    return run(scenario, seed=seed, link=profile.link).result


def report(repeats: int, *, markdown: bool) -> list[str]:
    """A row for each profile."""
    rows = []
    if markdown:
        rows.append(
            "| link | published, Mbit/s | of | with libutp's growth | range | ratio | `ledbat` | range | ratio |"
        )
        rows.append("|---|---|---|---|---|---|---|---|---|")
    met = [0, 0]
    for profile in PROFILES:
        cells: list[str] = []
        for number, congestion in enumerate((LIBUTPS_GROWTH, "ledbat")):
            totals = [sum(measure(profile, seed, congestion=congestion)) for seed in range(1, repeats + 1)]
            ratio = median(totals) / profile.published
            is_met = ratio >= 1 - TOLERANCE and (ratio <= 1 + TOLERANCE or congestion != LIBUTPS_GROWTH)
            met[number] += is_met
            span = f"{min(totals):.2f} to {max(totals):.2f}"
            if markdown:
                cells += [f"{median(totals):.2f}", span, f"{ratio:.2f}"]
            else:
                cells.append(f"{median(totals):7.2f} ({span:<14}) {ratio:5.2f} {'met' if is_met else 'MISSED':6}")
        if markdown:
            rows.append(f"| {profile.name} | {profile.published} | {profile.by} | {' | '.join(cells)} |")
        else:
            rows.append(f"{profile.name:<34}{profile.published:6.2f} {profile.by:<7}{'   '.join(cells)}")
    if not markdown:
        rows.append(f"with libutp's growth: {met[0]} of {len(PROFILES)} within {TOLERANCE:.0%}")
        rows.append(f"ledbat: {met[1]} of {len(PROFILES)} at least {1 - TOLERANCE:.0%}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.utp_profiles", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    print("\n".join(report(options.repeats, markdown=options.markdown)), flush=True)


TOLERANCE = 0.15
LIBUTPS_GROWTH = "ledbat-libutp"
LIBUTP, UTP_GO = "libutp", "utp-go"
PROFILES = (
    Profile(
        name="LAN, 1 ms, 100 Mbit/s",
        delay_s=0.001,
        mbit_per_s=100,
        queue_bytes=64 * KIB,
        payload_bytes=4 * MIB,
        published=76.92,
        by=LIBUTP,
    ),
    Profile(
        name="broadband, 20 ms, 10 Mbit/s",
        delay_s=0.02,
        mbit_per_s=10,
        queue_bytes=64 * KIB,
        payload_bytes=MIB,
        published=5.51,
        by=LIBUTP,
    ),
    Profile(
        name="broadband, 1 % lost",
        delay_s=0.02,
        mbit_per_s=10,
        queue_bytes=64 * KIB,
        payload_bytes=MIB,
        loss=0.01,
        published=3.33,
        by=LIBUTP,
    ),
    Profile(
        name="long and fat, 100 ms, 20 Mbit/s",
        delay_s=0.1,
        mbit_per_s=20,
        queue_bytes=256 * KIB,
        payload_bytes=2 * MIB,
        published=1.95,
        by=LIBUTP,
    ),
    Profile(
        name="shallow queue, 16 KiB",
        delay_s=0.02,
        mbit_per_s=10,
        queue_bytes=16 * KIB,
        payload_bytes=MIB,
        published=5.51,
        by=LIBUTP,
    ),
    Profile(
        name="broadband, 5 % lost",
        delay_s=0.02,
        mbit_per_s=10,
        queue_bytes=64 * KIB,
        payload_bytes=2 * MIB,
        loss=0.05,
        published=2.64,
        by=UTP_GO,
    ),
    Profile(
        name="broadband, 1 % lost, 4 MiB",
        delay_s=0.02,
        mbit_per_s=10,
        queue_bytes=64 * KIB,
        payload_bytes=4 * MIB,
        loss=0.01,
        published=5.73,
        by=UTP_GO,
    ),
    Profile(
        name="long transfer, 8 MiB",
        delay_s=0.02,
        mbit_per_s=10,
        queue_bytes=64 * KIB,
        payload_bytes=8 * MIB,
        published=8.99,
        by=UTP_GO,
    ),
    Profile(
        name="2 % reordered",
        delay_s=0.02,
        mbit_per_s=10,
        queue_bytes=64 * KIB,
        payload_bytes=MIB // 2,
        reorder=0.02,
        published=3.80,
        by=UTP_GO,
    ),
    Profile(
        name="two flows, 8 Mbit/s",
        delay_s=0.02,
        mbit_per_s=8,
        queue_bytes=64 * KIB,
        payload_bytes=MIB // 2,
        flows=2,
        published=6.49,
        by=UTP_GO,
    ),
)

if __name__ == "__main__":
    main()
