"""How much of what was written to a socket still waits in the kernel or is under way."""

from __future__ import annotations

import socket
import struct
import sys

if sys.platform == "linux":
    import fcntl
    import termios

    def unacknowledged_bytes(sock: socket.socket) -> int:
        """What the other side of a TCP connection has not acknowledged (`SIOCOUTQ`, tcp(7))."""
        try:
            answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # it is closed
            return 0
        return int(struct.unpack("i", answer)[0])

else:

    def unacknowledged_bytes(sock: socket.socket) -> int:
        """What the other side of a TCP connection has not acknowledged: on macOS (`SO_NWRITE`); elsewhere 0."""
        if sys.platform != "darwin":
            return 0
        try:
            return sock.getsockopt(socket.SOL_SOCKET, 0x1024)
        except OSError:
            return 0
