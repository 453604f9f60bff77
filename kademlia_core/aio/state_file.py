"""The file in which a node keeps whom it knows, written whole or not at all."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING

from kademlia_core.node.snapshot import NetworkSnapshot, SnapshotError, decode_snapshot, encode_snapshot
from transfer.plain_file import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class StateFile:
    """Reads and replaces a snapshot. Both block, for as long as a small file takes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[NetworkSnapshot]:
        """What the last run left; nothing, with a warning in the log, when it cannot be read."""
        try:
            return decode_snapshot(read_file(self._path, MAX_FILE_BYTES))
        except FileNotFoundError:
            return []
        except (OSError, SnapshotError) as error:
            logger.warning("starting without the nodes known before: %s: %s", self._path, error)
            return []

    def save(self, networks: Iterable[NetworkSnapshot]) -> None:
        """Replaces the file; when that fails, the old one stays and the log says why."""
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{get_ident()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(encode_snapshot(networks))
            draft.replace(self._path)
        except OSError as error:
            logger.warning("the nodes known now could not be saved: %s: %s", self._path, error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)


MAX_FILE_BYTES = 1 << 20
logger = logging.getLogger("kademlia_core")
