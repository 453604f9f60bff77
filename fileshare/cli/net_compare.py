"""`kad net compare`: what each congestion controller makes of one and the same line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from fileshare.cli.errors import CommandError, exits
from fileshare.cli.net_values import parse_buffer, parse_line_rate, parse_share, parse_time
from fileshare.cli.options import JsonOption
from fileshare.cli.output import Output
from fileshare.cli.units import count_text
from fileshare.cli.views import EVENT_INTERVAL_S, Bar

# The simulation is loaded when it is needed: it takes a fifth of a command's start, and changes how `random` is seeded.
if TYPE_CHECKING:
    from transfer.simulation import LabConfig, LabReport

T = TypeVar("T")
EXAMPLE = "Example: kad net compare --rate 100mbit --rtt 100ms --loss 1% --buffer 1bdp --svg compare.svg"
PACKET_BYTES = 1500
MAX_FLOWS = 200
MAX_RTT_S = 10.0
MAX_DURATION_S = 3600
MAX_BUFFER_S = 86_400
MAX_PACKETS = 5_000_000


@exits
def compare(
    rate: Annotated[str, typer.Option("--rate", metavar="RATE", help="Of the line: 100mbit, 500kbit.")] = "100mbit",
    rtt: Annotated[
        str, typer.Option("--rtt", metavar="TIME", help="Round trip of the empty line, a half each way: 100ms, 1s.")
    ] = "100ms",
    loss: Annotated[
        str, typer.Option("--loss", metavar="SHARE", help="Of the packets that the line loses at random: 1%, 0.1%.")
    ] = "0%",
    buffer: Annotated[
        str,
        typer.Option(
            "--buffer",
            metavar="SIZE",
            help="What may wait before the line: 1bdp is what fills it for a round trip; or 64kB, or 50ms.",
        ),
    ] = "1bdp",
    jitter: Annotated[
        str, typer.Option("--jitter", metavar="TIME", help="Each packet takes up to so much longer; order is kept.")
    ] = "0ms",
    flows: Annotated[
        int,
        typer.Option("--flows", min=1, max=MAX_FLOWS, metavar="N", help="That share the line."),
    ] = 1,
    duration: Annotated[str, typer.Option("--duration", metavar="TIME", help="Of the run, in virtual time.")] = "20s",
    controller: Annotated[
        list[str] | None,
        typer.Option("--controller", metavar="NAME", help="Try this one; may be repeated. Default: all there are."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Equal seeds give equal tables.")] = 1,
    svg: Annotated[
        Path | None,
        typer.Option(
            "--svg",
            metavar="FILE",
            help="Draw all controllers there, and beside it each by itself (FILE-reno.svg, …).",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare congestion controllers: each in turn sends what it can over the same line, simulated in virtual time.

    Mbit/s count each packet once, headers included; "possible" is their share of what the line lets through. Of round
    trips and of the time in the queue there are the median and the 95th percentile. "again" is the part of the packets
    that were sent again. Jain's index is 1 when all flows get the same. Nothing is sent on the network.
    """
    from transfer.simulation import run_lab

    output = Output(as_json=as_json)
    names = _controllers(controller)
    config = _config(rate, rtt, loss, buffer, jitter, flows, duration, seed)
    if svg is not None and (svg.is_dir() or not svg.parent.is_dir()):
        raise typer.BadParameter(f"{str(svg)!r} is no place for a file; try compare.svg", param_hint="--svg")
    started_at = time.monotonic()
    reports: dict[str, LabReport] = {}
    with Bar(output) as bar:
        for place, name in enumerate(names):
            reports[name] = run_lab(_with(config, name, flows), progress=_Progress(output, bar, names, place, config))
            output.event("compared", controller=name, **_figures(config, reports[name]))
    output.say(_describe(config, flows))
    output.say(_table(config, reports))
    files = _draw(svg, config, reports) if svg is not None else []
    for file in files[:1]:
        output.say(
            f"drawn: {file}"
            + (f" and {count_text(len(files) - 1, 'picture')} of one controller each" if files[1:] else "")
        )
    output.event("done", controllers=list(names), files=files, seconds=time.monotonic() - started_at)


class _Progress:
    """How far all runs are, told by the one that is going on."""

    def __init__(self, output: Output, bar: Bar, names: Sequence[str], place: int, config: LabConfig) -> None:
        self._output, self._bar, self._names, self._place, self._config = output, bar, names, place, config
        self._next_at = 0.0

    def __call__(self, virtual_s: float) -> None:
        name, whole_s = self._names[self._place], self._config.duration_s
        done = self._place + virtual_s / whole_s
        tail = f"{virtual_s:.1f} of {whole_s:g} virtual seconds"
        self._bar.show(name, done=done, total=len(self._names), tail=tail, short_tail="", key=name)
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + EVENT_INTERVAL_S
            self._output.event("progress", controller=name, virtual_s=virtual_s, duration_s=whole_s)


def _config(
    rate: str, rtt: str, loss: str, buffer: str, jitter: str, flows: int, duration: str, seed: int
) -> LabConfig:
    from transfer.simulation import LabConfig, LabFlow, Link

    bytes_per_s = _option("--rate", parse_line_rate, rate)
    rtt_s = _option("--rtt", parse_time, rtt)
    duration_s = _option("--duration", parse_time, duration)
    if rtt_s > MAX_RTT_S:
        raise typer.BadParameter(f"{rtt!r} is too long for the lab; try at most {MAX_RTT_S:g}s", param_hint="--rtt")
    if not 0 < duration_s <= MAX_DURATION_S:
        raise typer.BadParameter(
            f"{duration!r} is out of range; try 20s (at most {MAX_DURATION_S})", param_hint="--duration"
        )
    packets = bytes_per_s * duration_s / PACKET_BYTES
    if packets > MAX_PACKETS:
        raise typer.BadParameter(
            f"{rate} for {duration} are {packets:,.0f} packets for each controller, of at most {MAX_PACKETS:,};"
            f" try --duration {MAX_PACKETS * PACKET_BYTES / bytes_per_s:.2g}s",
            param_hint="--rate",
        )
    jitter_s = _option("--jitter", parse_time, jitter)
    if jitter_s > MAX_RTT_S:
        raise typer.BadParameter(f"{jitter!r} is too long for the lab; try 5ms", param_hint="--jitter")
    queue_bytes = _option("--buffer", lambda text: parse_buffer(text, bytes_per_s=bytes_per_s, rtt_s=rtt_s), buffer)
    if queue_bytes > MAX_BUFFER_S * bytes_per_s:
        raise typer.BadParameter(f"{buffer!r} is more than a day of this line; try 1bdp", param_hint="--buffer")
    line = Link(
        delay_s=rtt_s / 2,
        jitter_s=jitter_s,
        keeps_order=True,
        rate_bytes_per_s=bytes_per_s,
        queue_bytes=max(queue_bytes, 2 * PACKET_BYTES),
        loss=_option("--loss", parse_share, loss),
    )
    return LabConfig(
        data=line,
        flows=(LabFlow(controller="reno"),),
        duration_s=duration_s,
        sample_s=max(0.001, min(0.01, duration_s / 1000)),
        course_s=max(0.01, duration_s / 200, duration_s * flows / 20_000),
        seed=seed,
    )


def _option(name: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from None


def _controllers(wanted: list[str] | None) -> list[str]:
    from transfer import controller_names

    known = controller_names()
    for name in wanted or ():
        if name.lower() not in known:
            raise typer.BadParameter(f"{name!r} is none; try one of {', '.join(known)}", param_hint="--controller")
    return list(dict.fromkeys(name.lower() for name in wanted or known))


def _with(config: LabConfig, name: str, flows: int) -> LabConfig:
    from transfer.simulation import LabFlow

    spread_s = min(0.1, config.duration_s / 10) / flows  # flows of one program never start in one microsecond
    return replace(config, flows=tuple(LabFlow(controller=name, start_s=index * spread_s) for index in range(flows)))


def _possible(config: LabConfig) -> float:
    """Bytes a second that get through when the line never rests."""
    return (config.data.rate_bytes_per_s or 0.0) * (1 - config.data.loss)


def _figures(config: LabConfig, report: LabReport) -> dict[str, object]:
    return {
        "goodput": report.goodput_bytes_per_s,
        "of_possible": report.goodput_bytes_per_s / _possible(config),
        "rtt_p50_s": report.rtt_s(0.5),
        "rtt_p95_s": report.rtt_s(0.95),
        "queue_p50_s": report.queueing_s(0.5),
        "queue_p95_s": report.queueing_s(0.95),
        "retransmitted": report.retransmitted_share,
        "jain": report.jain,
        "flows": [flow.goodput_bytes_per_s for flow in report.flows],
        "digest": report.digest,
    }


def _describe(config: LabConfig, flows: int) -> str:
    line = config.data
    assert isinstance(line.delay_s, float)
    assert line.rate_bytes_per_s is not None
    jitter = f", {line.jitter_s * 1e3:g} ms jitter" if line.jitter_s else ""
    return (
        f"{count_text(flows, 'flow')}, {config.duration_s:g} s: {_mbit(line.rate_bytes_per_s)} Mbit/s,"
        f" {line.delay_s * 2e3:g} ms round trip, {line.loss * 100:.4g}% loss"
        f", {line.queue_bytes:,} bytes buffer{jitter}"
    )


def _table(config: LabConfig, reports: dict[str, LabReport]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=max(map(len, reports)))
    for heading in ("Mbit/s", "possible", "RTT ms", "p95", "queue ms", "p95", "again", "Jain"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, report in reports.items():
        table.add_row(
            name,
            _mbit(report.goodput_bytes_per_s),
            f"{report.goodput_bytes_per_s / _possible(config):.1%}",
            f"{report.rtt_s(0.5) * 1e3:.1f}",
            f"{report.rtt_s(0.95) * 1e3:.1f}",
            f"{report.queueing_s(0.5) * 1e3:.1f}",
            f"{report.queueing_s(0.95) * 1e3:.1f}",
            f"{report.retransmitted_share:.2%}",
            f"{report.jain:.3f}" if len(report.flows) > 1 else "-",
        )
    return table


def _mbit(bytes_per_s: float) -> str:
    return f"{bytes_per_s * 8e-6:.4g}"


def _draw(target: Path, config: LabConfig, reports: dict[str, LabReport]) -> list[Path]:
    """One picture of all, and one of each beside it."""
    from fileshare.charts.svg import render
    from fileshare.cli.net_pictures import all_controllers, one_controller

    about = _describe(config, len(next(iter(reports.values())).flows))
    pictures = {target: all_controllers(about, reports)}
    for name, report in reports.items():
        pictures[target.with_name(f"{target.stem}-{name.replace('+', 'p')}{target.suffix or '.svg'}")] = one_controller(
            name, about, config, report
        )
    for path, chart in pictures.items():
        try:
            path.write_text(render(chart), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror or error}") from None
    return list(pictures)
