"""Which contacts a node knows, from one run to the next: a file that is written whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING

from kademlia_core.datagram.snapshot import NetworkSnapshot, SnapshotError, decode_snapshot, encode_snapshot
from transfer.plain_file import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kademlia_core.datagram.core import NodeCore


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


class NodeMemory:
    """The networks of a node as they were when a contact was last known there; kept in a file, if there is one."""

    def __init__(self, file: StateFile | None) -> None:
        self._file = file
        self._networks: dict[bool, NetworkSnapshot] = {}  # by whether it is IPv6

    @property
    def is_kept(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    async def load(self, *, key_bits: int) -> None:
        """Takes over what an earlier run left, as far as its keys have that many bits."""
        if self._file is not None:
            saved = await asyncio.get_running_loop().run_in_executor(None, self._file.load)
            self._networks = {network.is_ipv6: network for network in saved if network.node_id.bits == key_bits}

    def network(self, *, is_ipv6: bool) -> NetworkSnapshot | None:
        """What is remembered of one network."""
        return self._networks.get(is_ipv6)

    def note(self, cores: Iterable[NodeCore]) -> list[NetworkSnapshot]:
        """Remembers the networks of `cores` as they are, unless no node has answered in one since it was remembered.

        Returns all that are remembered.
        """
        if self._file is None:
            return []
        for core in cores:
            snapshot = core.snapshot()
            if snapshot.contacts or snapshot.is_ipv6 not in self._networks:
                self._networks[snapshot.is_ipv6] = snapshot
        return [self._networks[is_ipv6] for is_ipv6 in sorted(self._networks)]

    def save(self, cores: Iterable[NodeCore]) -> None:
        """Writes the file at once, if there is one."""
        if self._file is not None:
            self._file.save(self.note(cores))

    async def save_in_thread(self, cores: Iterable[NodeCore]) -> None:
        """The same, without keeping the event loop from its work."""
        if self._file is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._file.save, self.note(cores))


MAX_FILE_BYTES = 1 << 20
logger = logging.getLogger("kademlia_core")
