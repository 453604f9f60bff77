"""Names of temporary files: files are real, so these must differ from those of other processes, whatever the seed."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from transfer.simulation.process.inside import World
from transfer.simulation.process.replacing import Replacement, replacement


class _Names:
    """An endless sequence as `tempfile` has it; it takes nothing from the randomness of a run."""

    def __iter__(self) -> _Names:
        return self

    def __next__(self) -> str:
        return _REAL_URANDOM(6).hex()


def _get_candidate_names(world: World) -> Any:
    return _NAMES


tempfile.gettempdir()  # looks once where it can write, which draws names as well
_NAMES = _Names()
_REAL_URANDOM = os.urandom
REPLACEMENTS: list[Replacement] = replacement(tempfile, "_get_candidate_names", _get_candidate_names)
