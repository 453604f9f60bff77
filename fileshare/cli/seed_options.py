"""How long and to which peers to give: the options of `kad seed`, and of `kad get --seed`."""

from __future__ import annotations

from typing import Annotated

import typer

from bittorrent import SeedGoal
from fileshare.cli.network_options import parse_figure
from fileshare.cli.units import parse_duration

RatioOption = Annotated[
    float | None,
    typer.Option(
        "--ratio", metavar="N", help="Share until N times the size was sent to others, such as 1.5, and no longer."
    ),
]
SeedTimeOption = Annotated[
    str | None,
    typer.Option("--seed-time", metavar="TIME", help="Share for so long and no longer: 90s, 30m, 12h, 7d."),
]


def parse_goal(ratio: float | None, seed_time: str | None) -> SeedGoal:
    """When enough has been shared.

    Raises:
        typer.BadParameter: the ratio or the time is none.
    """
    if ratio is not None and not ratio >= 0:
        raise typer.BadParameter(f"{ratio} is no ratio; write for example 1.5", param_hint="--ratio")
    return SeedGoal(ratio=ratio, seconds=parse_figure(parse_duration, seed_time, option="--seed-time"))
