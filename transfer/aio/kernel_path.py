"""What the kernel knows of the path of a TCP connection, where it tells."""

from __future__ import annotations

import socket
import sys

from transfer.path_stats import PathStats
from transfer.tcp.info import MAX_BYTES, TcpInfo

if sys.platform == "linux":

    def kernel_path_stats(sock: socket.socket) -> PathStats | None:
        """A snapshot (`TCP_INFO`, tcp(7)); None when the socket is closed. Cost: two system calls."""
        try:
            info = TcpInfo.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, MAX_BYTES))
            name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME_BYTES)
        except OSError:
            return None
        return info.path_stats(name.rstrip(b"\0").decode("ascii", "replace") or None) if info is not None else None

else:

    def kernel_path_stats(sock: socket.socket) -> PathStats | None:
        """None: other systems lay the structure out in other ways, and this program knows none of them."""
        return None


NAME_BYTES = 16  # TCP_CA_NAME_MAX
