"""uTP as a stream transport: sockets, timers and asyncio's contract around the cores of `transfer.utp`."""

from transfer.aio.utp.transport import UtpListener, UtpTransport

__all__ = ["UtpListener", "UtpTransport"]
