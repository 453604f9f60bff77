"""What a machine has, and which part of it connections may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is for the whole process.

    Attributes:
        ram_bytes: of the machine, or what the process may use of it; None where that is not known.
        descriptors: files and sockets that the process may have open (RLIMIT_NOFILE); None likewise.
    """

    ram_bytes: int | None = None
    descriptors: int | None = None

    @property
    def memory_share(self) -> int | None:
        """Bytes that all connections together may take: an eighth of what there is, as in go-libp2p."""
        return None if self.ram_bytes is None else max(MIN_MEMORY_BYTES, self.ram_bytes // 8)

    @property
    def descriptor_share(self) -> int | None:
        """Sockets of connections: half of what there is, as in go-libp2p. The rest is for files, names and pipes."""
        return None if self.descriptors is None else max(MIN_DESCRIPTORS, self.descriptors // 2)


UNKNOWN = Machine()
MIN_MEMORY_BYTES = 16 << 20
MIN_DESCRIPTORS = 16
