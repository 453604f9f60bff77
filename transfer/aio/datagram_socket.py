"""UDP sockets that read and send in batches, for loops that watch file descriptors; elsewhere what the loop offers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from transfer.address import Address
from transfer.aio.datagrams import BatchProtocol, BatchTransport, RunProtocol
from transfer.aio.resolver import resolve
from transfer.aio.tcp import watches_descriptors
from transfer.datagrams.runs import Buffer, Run, calls_for_run, gathered_datagrams, split_run


async def bind_datagrams(
    protocol: BatchProtocol, local: Address, *, max_bytes: int = 65536
) -> asyncio.DatagramTransport:
    """A bound UDP socket; `connection_made` has been called when this returns.

    Args:
        max_bytes: the protocol does not care for longer datagrams: it gets them whole or cut to this size.

    Raises:
        OSError: the address is in use, or not of this host. Its text is one line that names the address.
    """
    loop = asyncio.get_running_loop()
    *_, name = (await resolve(local.host, local.port, purpose="listening", kind=socket.SOCK_DGRAM))[0]
    if not watches_descriptors(loop):
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=name[:2])
        return transport
    sock = socket.socket(socket.AF_INET6 if ":" in name[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # or the port would be taken in IPv4 as well
        try:
            sock.bind(name)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OSError(error.errno, f"cannot bind UDP on {name[0]} port {name[1]}: {reason}") from None
        return DatagramSocket(loop, sock, protocol, max_bytes=max_bytes)
    except BaseException:
        sock.close()
        raise


class DatagramSocket(BatchTransport):
    """What asyncio's datagram transport does, with three differences.

    It reads up to `MAX_BATCH` datagrams at a time; going round the event loop for each takes longer than many protocols
    need to answer. It keeps nothing: a datagram that the kernel does not take at once is dropped, as a network would,
    and of a run the caller is told what is left. And where Linux can do so, runs are cut by the kernel (UDP_SEGMENT)
    and, for protocols that ask for runs, glued by it (UDP_GRO).

    Args:
        sock: bound and not blocking; it is the transport's from now on.
        protocol: `connection_made` is called before this returns.
        max_bytes: longer datagrams are cut.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: BatchProtocol, *, max_bytes: int
    ) -> None:
        super().__init__({"socket": sock, "sockname": sock.getsockname()})
        self._loop = loop
        self._sock = sock
        self._receive, self._send = sock.recvfrom, sock.sendto
        self._protocol = protocol
        self._max_bytes = max_bytes
        self._budget = 1  # how many datagrams are expected now
        self._is_closing = False
        self._is_full = False
        self._is_cutting = _has_option(sock, UDP_SEGMENT)
        self._refused: dict[Any, int] = {}  # from which size of datagrams on runs to this address are cut here
        self._runs_received: Callable[[list[Run]], None] | None = None
        if isinstance(protocol, RunProtocol):
            self.receive_runs(protocol.runs_received)
        protocol.connection_made(self)
        if not self._is_closing:
            loop.add_reader(sock, self._readable)

    def send_all(self, datagrams: Iterable[tuple[bytes, Any]]) -> None:
        """`sendto` for each."""
        if self._is_closing:
            return
        send = self._send
        for data, address in datagrams:
            try:
                send(data, address)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                self._protocol.error_received(error)

    def send_run(self, buffers: Sequence[Buffer], address: Any, segment_bytes: int) -> int:
        """As `BatchTransport.send_run`."""
        sent = 0
        for call, count in calls_for_run(buffers, segment_bytes):
            if self._is_closing:
                sent += count  # into nowhere
                continue
            left = self._send_call(call, count, address, segment_bytes)
            sent += left
            if left < count:
                break
        return sent

    def receive_runs(self, runs_received: Callable[[list[Run]], None]) -> bool:
        """From now on everything comes to `runs_received`, in runs.

        Returns:
            False if the kernel glues nothing; then all comes to the protocol's `datagrams_received` as before.
        """
        if self._runs_received is None:
            try:
                self._sock.setsockopt(SOL_UDP, UDP_GRO, 1)
            except OSError:
                return False
            # It stays on: what the kernel has glued by the time it is turned off would come without its segment size.
        self._runs_received = runs_received
        return True

    def enlarge_buffers(self, *, receive_bytes: int, send_bytes: int) -> None:
        """Asks the system for buffers of this size at least; it may give less, and makes none smaller."""
        for option, wanted in ((socket.SO_RCVBUF, receive_bytes), (socket.SO_SNDBUF, send_bytes)):
            factor = 2 if sys.platform == "linux" else 1  # Linux tells twice what it was asked for
            if self._sock.getsockopt(socket.SOL_SOCKET, option) < factor * wanted:
                with contextlib.suppress(OSError):  # elsewhere more than the system allows is an error
                    self._sock.setsockopt(socket.SOL_SOCKET, option, wanted)

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.remove_reader(self._sock)
            if self._is_full:
                self._loop.remove_writer(self._sock)
            self._loop.call_soon(self._lose)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._is_closing

    def get_protocol(self) -> BatchProtocol:
        return self._protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def _readable(self) -> None:
        if self._is_closing:
            return  # by a callback of the same turn of the loop
        if self._runs_received is not None:
            self._read_runs(self._runs_received)
            return
        receive, size, datagrams = self._receive, self._max_bytes, []
        budget = self._budget
        try:
            for _ in range(budget):
                datagrams.append(receive(size))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:  # an ICMP message about some earlier datagram
            self._protocol.error_received(error)
        # Asking in vain takes longer than reading, so a quiet socket is read once in a turn, and a busy one often.
        self._budget = min(2 * budget, MAX_BATCH) if len(datagrams) == budget else max(len(datagrams), 1)
        if datagrams:
            self._protocol.datagrams_received(datagrams)

    def _read_runs(self, runs_received: Callable[[list[Run]], None]) -> None:
        """As above. A run is read into a buffer of its own, which shrinks to what came: nothing is copied."""
        receive, max_bytes, runs = self._sock.recvmsg, self._max_bytes, []
        budget, room = self._budget, MAX_BATCH_BYTES
        try:
            for _ in range(budget):
                data, ancillary, _, sender = receive(65536, ANCILLARY_BYTES)
                size = len(data)
                segment_bytes = int.from_bytes(ancillary[0][2], sys.byteorder) if ancillary else size
                if segment_bytes > max_bytes:
                    data = b"".join([part[:max_bytes] for part in split_run(data, segment_bytes)])
                    segment_bytes = max_bytes
                runs.append((data, sender, segment_bytes))
                room -= size
                if room <= 0:
                    break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._protocol.error_received(error)
        self._budget = min(2 * budget, MAX_BATCH) if len(runs) == budget else max(len(runs), 1)
        if runs:
            runs_received(runs)

    def _send_call(self, buffers: Sequence[Buffer], count: int, address: Any, segment_bytes: int) -> int:
        """How many of `count` datagrams have left."""
        if count > 1 and self._is_cutting and segment_bytes < self._refused.get(address, sys.maxsize):
            try:
                self._sock.sendmsg(buffers, [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", segment_bytes))], 0, address)
                return count
            except (BlockingIOError, InterruptedError):
                self._wait_until_writable()
                return 0
            except OSError as error:
                self._note_refusal(error, address, segment_bytes)
        for sent, parts in enumerate(gathered_datagrams(buffers, segment_bytes)):
            try:
                self._sock.sendmsg(parts, (), 0, address)
            except (BlockingIOError, InterruptedError):
                self._wait_until_writable()
                return sent
            except OSError as error:
                self._protocol.error_received(error)
        return count

    def _note_refusal(self, error: OSError, address: Any, segment_bytes: int) -> None:
        """The kernel did not take a run: from now on it is cut here, for this address or for all."""
        if error.errno == errno.EIO:  # a device on the way out computes no checksums
            self._is_cutting = False
        elif error.errno in (errno.EINVAL, errno.EMSGSIZE):  # too big for the way there, as far as that is known
            if len(self._refused) >= MAX_REFUSED:
                self._refused.clear()
            self._refused[address] = segment_bytes

    def _wait_until_writable(self) -> None:
        if not self._is_full and not self._is_closing:
            self._is_full = True
            self._loop.add_writer(self._sock, self._writable)
            self._protocol.pause_writing()

    def _writable(self) -> None:
        if self._is_full and not self._is_closing:
            self._is_full = False
            self._loop.remove_writer(self._sock)
            self._protocol.resume_writing()

    def _lose(self) -> None:
        self._sock.close()
        self._protocol.connection_lost(None)


def _has_option(sock: socket.socket, option: int) -> bool:
    """Whether UDP sockets have it. A kernel that does not know UDP_SEGMENT would send a run as one datagram."""
    if sys.platform != "linux":
        return False
    try:
        sock.getsockopt(SOL_UDP, option)
    except OSError:
        return False
    return True


MAX_BATCH = 64  # under a millisecond of work even for a DHT node, so that the rest of the loop gets its turn
MAX_BATCH_BYTES = 256 * 1024  # in runs: 64 of them could be 4 MiB
SOL_UDP = 17
UDP_SEGMENT, UDP_GRO = 103, 104  # linux/udp.h
MAX_REFUSED = 1000
ANCILLARY_BYTES = socket.CMSG_SPACE(4) if hasattr(socket, "CMSG_SPACE") else 0  # UDP_GRO tells an int
