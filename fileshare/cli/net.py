"""`kad net`: what networks do to transfers, and who gets through them."""

from __future__ import annotations

import typer

from fileshare.cli import net_compare, net_reach

app = typer.Typer(
    no_args_is_help=True, help="Try what networks do to transfers, and who gets through.", rich_markup_mode=None
)
app.command("compare", short_help="Compare congestion controllers on a simulated line.", epilog=net_compare.EXAMPLE)(
    net_compare.compare
)
app.command("reach", short_help="Say whether others can reach this machine.", epilog=net_reach.EXAMPLE)(net_reach.reach)
