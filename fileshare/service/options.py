"""What may be asked for with a torrent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bittorrent import FileName, SeedGoal
from transfer import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """How a torrent is fetched and shared. All but the first three are those of `Session.add`.

    Attributes:
        goal: how long it is shared; None: it is done when it is complete, and shared as long as the service runs.
        follow: of a torrent that changes (BEP 46), newer versions take the place of older ones as they appear.
        is_optional: no user asked for this very torrent; what is wrong with it makes nothing a failure.
    """

    goal: SeedGoal | None = None
    follow: bool = False
    is_optional: bool = False
    peers: tuple[Address, ...] = ()
    web_seeds: tuple[str, ...] = ()
    select: tuple[FileName, ...] = ()
    sequential: bool = False
    overwrite: bool | frozenset[Path] = False
    seed_only: bool = False
    super_seed: bool = False
    paused: bool = False
