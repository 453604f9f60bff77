"""C3: the completion times that picoquic's simulations ask for (its congestion, satellite and cc_compete tests).

What its simulator does and published tables do not say, and what is done here for it:

* A rate that a test sets itself is 1.048576 times what it is called: a factor of binary units is left out (`BINARY`).
* The clock runs from the handshake on: a download begins 1.5 round trips later, an upload 1 round trip.
* A packet is 1,440 bytes here, with 38 of them for QUIC.
* Jitter is Gaussian there, with what it is called as its mean; here it is uniform from nothing to twice that. Order is
  kept in both.
* Every sender of QUIC is paced, CUBIC too: picoquic at one window in a round trip with runs of a quarter of it, ours at
  the 1.25 windows of RFC 9002, section 7.7.
* Acknowledgements are lost and delayed like data. Where the line is narrow for them one covers eight packets: picoquic
  adapts that.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp

from benchmarks.congestion.lines import line
from benchmarks.congestion.table import Row, row
from benchmarks.congestion.trials import Outcome, Trial
from fileshare.charts.svg import Chart, Series
from transfer import BulkConfig
from transfer.simulation import LabChange, LabConfig, LabFlow, LabOutage

BINARY = 1.024 * 1.024
PACKETS = BulkConfig(
    payload_bytes=1402,
    header_bytes=38,
    ack_bytes=50,
    range_bytes=4,
    ack_delay_s=0.025,
    sack_ranges=16,
    window_pacing_gain=1.25,
)
SPARSE = replace(PACKETS, ack_every=8, ack_every_beyond=8)


@dataclass(frozen=True, slots=True)
class WifiLatency:
    """A base, and what picoquic found on bad wireless networks: short waits always, long ones now and then.

    Milliseconds: Poisson(1), and in 13.7 % of all packets 7.5 times Poisson(12).
    """

    base_s: float
    jitter_ms: float = 12.5

    def delay_s(self, source: int, target: int, rng: random.Random) -> float:
        wait_ms = _spread(_poisson(1.0, rng), 1.0, rng)
        if rng.random() < (self.jitter_ms - 1) / 84:
            wait_ms += _spread(_poisson(12.0, rng), 7.5, rng)
        return self.base_s + wait_ms / 1e3


def trials(quick: bool) -> list[Trial]:
    names = ("cubic", "10 MB, 100 Mbit/s") if quick else ("",)
    return [Trial(name=f"C3 {gate.name}", config=gate.config) for gate in _gates() if gate.name.startswith(names)]


def rows(outcomes: Mapping[str, Outcome]) -> list[Row]:
    found = []
    for gate in _gates():
        outcome = outcomes.get(f"C3 {gate.name}")
        if outcome is None:
            continue
        done_s, goal = outcome.completed_s[0], f"<= {gate.limit_s:g} s"
        if done_s is None:
            found.append(
                Row(case="C3", what=gate.name, ours="not in 20 s and four times the time", published=goal, passed=False)
            )
        else:
            found.append(row("C3", gate.name, done_s, "{:.2f} s", goal, at_most=gate.limit_s))
    found += [Row(case="C3", what=what, ours="left out", published=why) for what, why in LEFT_OUT.items()]
    return found


def charts(outcomes: Mapping[str, Outcome]) -> dict[str, Chart]:
    points = [
        (float(place), done_s / gate.limit_s)
        for place, gate in enumerate(_gates(), 1)
        if (outcome := outcomes.get(f"C3 {gate.name}")) is not None and (done_s := outcome.completed_s[0]) is not None
    ]
    if not points:
        return {}
    return {
        "congestion_completion": Chart(
            title="Completion times as a share of picoquic's limits",
            subtitle="Numbers: the rows of the table, from its top",
            x_label="gate",
            y_label="ours / limit",
            x_range=(0.0, len(_gates()) + 1.0),
            series=[Series("ours", points, line="none", markers="filled")],
            level=(1.0, "limit"),
        )
    }


@dataclass(frozen=True, slots=True)
class Gate:
    name: str
    limit_s: float
    config: LabConfig


def _gates() -> list[Gate]:
    gates = []
    for name, limit_s in (("cubic", 3.5), ("bbr", 3.5), ("bbr1", 3.6)):
        gates.append(Gate(f"{name}: 4 x 1 MB, 10 Mbit/s, 10 ms", limit_s, _download(name, 10, 10, 20, sizes=(1,) * 4)))
    for name, limit_s in (("cubic", 3.55), ("bbr", 3.6)):
        config = _download(name, 10, 10, 30, sizes=(1,) * 4, jitter_ms=5)
        gates.append(Gate(f"{name}: the same with 5 ms jitter", limit_s, config))
    fast = _download("bbr", 100 * BINARY, 10, 26, sizes=(10,), jitter_ms=3)
    gates.append(Gate("bbr: 10 MB, 100 Mbit/s, 10 +- 3 ms", 1.05, fast))
    gates.append(
        Gate("bbr: 10 MB, 1 Gbit/s, 4 +- 2 ms", 0.25, _download("bbr", 1000 * BINARY, 4, 12, sizes=(10,), jitter_ms=2))
    )
    gates.append(Gate("bbr: 10 MB, 1 Mbit/s, 300 ms", 81, _download("bbr", BINARY, 300, 606, sizes=(10,), jitter_ms=3)))
    gates.append(Gate("bbr: 10 MB, 1 Mbit/s, 1 s", 90, _download("bbr", BINARY, 1000, 2006, sizes=(10,), jitter_ms=3)))
    for down, up, limit_s in ((10, 0.1, 8.5), (40, 0.4, 2.35)):
        config = _download("bbr", down * BINARY, 1, 50, sizes=(10,), jitter_ms=0.75, back_mbit_s=up * BINARY)
        config = replace(config, bulk=SPARSE)
        gates.append(Gate(f"bbr: 10 MB, {down} Mbit/s down, {up * 1000:g} kbit/s up", limit_s, config))
    for name in ("bbr", "bbr1"):
        config = _download(name, 10, 10, 4000, sizes=(1,) * 4, back_mbit_s=BINARY)
        later = LabChange(
            at_s=1.0,
            data=line(mbit_s=10, delay_ms=50, queue_ms=4000),
            acknowledgements=line(mbit_s=BINARY, delay_ms=50, queue_ms=4000),
        )
        gates.append(
            Gate(f"{name}: 4 x 1 MB, the delay five times as long after 1 s", 15, replace(config, changes=(later,)))
        )
    gates += _satellites()
    gates += _simulator_gates()
    return gates


def _satellites() -> list[Gate]:
    """Uploads of 100 MB, 300 ms one way; "1/64" is exactly every 64th packet."""
    gates = []
    for name, up, down, options, limit_s in (
        ("bbr", 250, 3, {}, 5.5),
        ("bbr1", 250, 3, {}, 7.0),
        ("cubic", 250, 3, {}, 6.5),
        ("bbr", 250, 3, {"loss_every": 64}, 8.0),
        ("cubic", 250, 3, {"loss_every": 64}, 7.5),
        ("bbr", 250, 3, {"jitter_ms": 3}, 6.7),
        ("bbr", 50, 10, {}, 18.2),
        ("bbr", 10, 2, {}, 81.5),
        ("bbr", 2, 10, {}, 400.0),
    ):
        config = _download(
            name,
            up * BINARY,
            300,
            600,
            sizes=(100,),
            back_mbit_s=down * BINARY,
            begin_round_trips=1.0,
            **options,
        )
        config = replace(config, bulk=SPARSE)
        extra = "".join(f", {'1/64 loss' if key == 'loss_every' else '3 ms jitter'}" for key in options)
        gates.append(Gate(f"{name}: satellite, 100 MB, {up}/{down} Mbit/s{extra}", limit_s, config))
    return gates


def _simulator_gates() -> list[Gate]:
    """Those of its other simulator, picoquic_ns, whose rates are exact."""
    pair = _download("cubic", 10, 10, 40, sizes=(4,))
    second = LabFlow(controller="cubic", start_s=0.03, transfers=(10_000_000,))
    long_pair = replace(pair, flows=(*pair.flows, second))
    wide = _download("cubic", 10, 40, 80, sizes=(4,))
    halves = line(mbit_s=5, delay_ms=40, queue_ms=80)
    drop = (
        LabChange(at_s=1.5, data=halves, acknowledgements=halves),
        LabChange(at_s=3.5, data=wide.data, acknowledgements=wide.data),
    )
    low = replace(
        wide,
        data=halves,
        acknowledgements=halves,
        changes=(LabChange(at_s=2.5, data=wide.data, acknowledgements=wide.data),),
    )
    scans = tuple(LabOutage(at_s=2.0 * turn + 1.8, duration_s=0.2, keeps=True) for turn in range(8))
    gates = [
        Gate("cubic: 4 MB beside 10 MB of cubic, 10 Mbit/s, 10 ms", 8.5, long_pair),
        Gate(
            "cubic: 4 MB, 10 Mbit/s, 40 ms, suspended from 2 to 4 s",
            6.0,
            replace(wide, outages=(LabOutage(at_s=2, duration_s=2, keeps=True),)),
        ),
        Gate("cubic: 4 MB, half the rate from 1.5 to 3.5 s", 5.0, replace(wide, changes=drop)),
        Gate("cubic: 4 MB, half the rate until 2.5 s", 5.5, low),
        Gate(
            "bbr: 4 MB, 10 Mbit/s, 5 ms, away 0.2 s every 2 s",
            4.0,
            replace(_download("bbr", 10, 5, 15, sizes=(4,)), outages=scans),
        ),
    ]
    for name in ("bbr", "cubic"):
        config = _download(name, 10, 1, 80, sizes=(4,))
        bad = replace(config.data, delay_s=WifiLatency(0.001))
        gates.append(
            Gate(f"{name}: 4 MB, 10 Mbit/s, bad wireless", 4.5, replace(config, data=bad, acknowledgements=bad))
        )
    return gates


def _download(
    controller: str,
    mbit_s: float,
    delay_ms: float,
    queue_ms: float,
    *,
    sizes: tuple[float, ...],
    jitter_ms: float = 0.0,
    back_mbit_s: float | None = None,
    loss_every: int = 0,
    begin_round_trips: float = 1.5,
) -> LabConfig:
    """`sizes` in megabytes of payload, one after the other."""
    common = {"delay_ms": delay_ms, "queue_ms": queue_ms, "jitter_ms": 2 * jitter_ms, "loss_every": loss_every}
    bits = sum(sizes) * 8e6
    return LabConfig(
        data=line(mbit_s=mbit_s, **common),  # type: ignore[arg-type]
        acknowledgements=line(mbit_s=back_mbit_s or mbit_s, **common),  # type: ignore[arg-type]
        flows=(
            LabFlow(
                controller=controller,
                start_s=begin_round_trips * 2 * delay_ms / 1e3,
                transfers=tuple(round(size * 1e6) for size in sizes),
            ),
        ),
        bulk=PACKETS,
        duration_s=20 + 4 * bits / (mbit_s * 1e6),
        course_s=1.0,
    )


def _poisson(mean: float, rng: random.Random) -> int:
    """Knuth's: how many uniform numbers can be multiplied before the product is less than e^-mean."""
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _spread(count: int, width_ms: float, rng: random.Random) -> float:
    return count * width_ms - (rng.random() * width_ms if count else 0.0)


LEFT_OUT = {
    "dcubic against cubic, 20 Mbit/s, 40 ms": "dcubic is picoquic's own, a CUBIC that heeds delay; none of ours",
    "wifi fade": "sets an option of picoquic's BBR (T50000) that no draft has",
}
