"""Datagrams in batches and in runs: what protocols and transports agree on. Sockets are in `datagram_socket.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from transfer.datagrams.runs import Buffer, Run, gathered_datagrams


class BatchProtocol(asyncio.DatagramProtocol):
    """A datagram protocol that takes what has arrived by now in one go, so that it can act once on all of it.

    A transport that reads in batches calls `datagrams_received`; any other calls `datagram_received` for each.
    """

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        """At least one datagram, each with its sender as the socket names it, in the order of their arrival."""
        raise NotImplementedError

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.datagrams_received([(data, addr)])


class RunProtocol(BatchProtocol):
    """A batch protocol that takes datagrams glued together, as the kernel may hand them up, and cuts them itself.

    What comes one by one comes to `runs_received` as well: each a run of one.
    """

    def runs_received(self, runs: list[Run]) -> None:
        """At least one run, in the order of arrival: data, sender, and the size of each datagram in it but the last."""
        raise NotImplementedError

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self.runs_received([(data, sender, len(data)) for data, sender in datagrams])


class BatchTransport(asyncio.DatagramTransport):
    """A datagram transport that takes many datagrams in one go."""

    def send_all(self, datagrams: Iterable[tuple[bytes, Any]]) -> None:
        """`sendto` for each."""
        raise NotImplementedError

    def send_run(self, buffers: Sequence[Buffer], address: Any, segment_bytes: int) -> int:
        """Sends many datagrams to one address, with no copy and few calls where the kernel can cut them.

        Args:
            buffers: gathered in this order: header, payload, header, payload, … A memoryview is of bytes.
            segment_bytes: each datagram but the last one has this size.

        Returns:
            how many datagrams have left. If that is not all of them, the socket is full: `pause_writing` was called,
            and `resume_writing` will be. What cannot be sent for any other reason counts as sent, as if the network
            had lost it, and goes to `error_received`.
        """
        raise NotImplementedError

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Sends or drops; an address is needed. Other errors go to `error_received`."""
        self.send_all([(data, addr)])


def send_all(transport: asyncio.DatagramTransport, datagrams: Iterable[tuple[bytes, Any]]) -> None:
    """Sends many, to a transport of any kind."""
    if isinstance(transport, BatchTransport):
        transport.send_all(datagrams)
    else:
        for data, address in datagrams:
            transport.sendto(data, address)


def send_run(transport: asyncio.DatagramTransport, buffers: Sequence[Buffer], address: Any, segment_bytes: int) -> int:
    """Sends a run, to a transport of any kind; one that is no `BatchTransport` keeps what the socket does not take."""
    if isinstance(transport, BatchTransport):
        return transport.send_run(buffers, address, segment_bytes)
    count = 0
    for parts in gathered_datagrams(buffers, segment_bytes):
        transport.sendto(b"".join(parts), address)
        count += 1
    return count
