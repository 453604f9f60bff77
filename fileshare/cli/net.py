"""`kad net`: what networks do to transfers."""

from __future__ import annotations

import typer

from fileshare.cli import net_compare

app = typer.Typer(no_args_is_help=True, help="Try what networks do to transfers.", rich_markup_mode=None)
app.command("compare", short_help="Compare congestion controllers on a simulated line.", epilog=net_compare.EXAMPLE)(
    net_compare.compare
)
