"""A trace as text: one line an event, with a lane for each host as long as there are few."""

from __future__ import annotations

from collections.abc import Sequence

from transfer.simulation.faults import FAULT_VERDICTS
from transfer.simulation.network import VERDICTS
from transfer.simulation.segments import HOST_DOWN
from transfer.simulation.trace import Event


def sequence_diagram(events: Sequence[Event]) -> str:
    """The events in order; hosts have lanes when at most MAX_LANES take part."""
    if not events:
        return "nothing happened on the network"
    hosts = dict.fromkeys(name for event in events for name in (event[3][0], event[4][0]) if name)
    lanes = {name: number for number, name in enumerate(hosts)} if len(hosts) <= MAX_LANES else {}
    lines = [f"the last {len(events)} events:"]
    if lanes:
        lines.append(" " * TIME_WIDTH + "".join(name.center(LANE_WIDTH) for name in lanes).rstrip())
    lines += [_line(event, lanes) for event in events]
    return "\n".join(lines)


def _line(event: Event, lanes: dict[str, int]) -> str:
    at_us, _, kind, source, target, size, _, code = event
    time = f"{at_us / 1e6:12.6f}  "
    if not target[0]:
        return f"{time}-- {kind} {source[0]}".rstrip()
    outcome = VERDICT_TEXTS.get(code, f"fault {code}") if code < 0 else f"+{code / 1000:.3f} ms" if code else ""
    what = f"{kind} {size} B" if size else kind
    ports = f"{source[1]} > {target[1]}"
    if lanes:
        arrow = _arrow(lanes[source[0]], lanes[target[0]], len(lanes), code < 0)
        return f"{time}{arrow}  {what}  {ports}  {outcome}".rstrip()
    arrow = "--x" if code < 0 else "-->"
    return f"{time}{_endpoint(*source)} {arrow} {_endpoint(*target)}  {what}  {outcome}".rstrip()


def _arrow(source: int, target: int, lanes: int, is_lost: bool) -> str:
    """Lanes as bars, with an arrow from one to another."""
    width = lanes * LANE_WIDTH
    row = [" "] * width
    for lane in range(lanes):
        row[lane * LANE_WIDTH + LANE_WIDTH // 2] = "|"
    start, end = (lane * LANE_WIDTH + LANE_WIDTH // 2 for lane in (source, target))
    if start == end:
        row[start] = "x" if is_lost else "@"
        return "".join(row)
    step = 1 if end > start else -1
    for column in range(start + step, end, step):
        row[column] = "-"
    head = ">" if step > 0 else "<"
    row[(start + end) // 2 if is_lost else end - step] = "x" if is_lost else head
    return "".join(row)


def _endpoint(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


VERDICT_TEXTS = {**VERDICTS, **FAULT_VERDICTS, HOST_DOWN: "host is down"}
MAX_LANES = 6
LANE_WIDTH = 18
TIME_WIDTH = 14
