"""Bootstrap addresses are often names: turning them into addresses of the families that a node speaks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from transfer.address import Address, is_ip_address, is_usable_peer
from transfer.aio import resolver
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagrams import BatchProtocol
from transfer.datagrams.demultiplexer import DatagramClaim


async def resolve(address: Address, *, ipv6: bool, patience_s: float) -> list[Address]:
    """The IP addresses of a name, none when the name service does not know it or takes longer than `patience_s`.

    An IP address stands for itself if it is of the family asked for.
    """
    if is_ip_address(address.host):
        return [address] if address.is_ipv6 == ipv6 else []
    try:
        found = await resolver.resolve(
            address.host,
            address.port,
            purpose="nodes",
            family=socket.AF_INET6 if ipv6 else socket.AF_INET,
            kind=socket.SOCK_DGRAM,
            patience_s=patience_s,
        )
    except OSError:
        return []
    return [Address.from_socket((str(name[0]), address.port)) for *_, name in found[:MAX_ADDRESSES_PER_NAME]]


@dataclass(frozen=True, slots=True)
class NameQuestion:
    """What is sent to a name to hear from which address it answers.

    Attributes:
        datagram: a question that every node answers, with something in it that no stranger can guess.
        is_answer: whether a datagram answers it.
    """

    datagram: bytes
    is_answer: Callable[[bytes], bool]


async def resolve_through(
    port: DatagramPort, address: Address, question: NameQuestion, *, ipv6: bool, patience_s: float
) -> list[Address]:
    """The address that a node of this name answers from, through the proxy of a port; none if it does not in time.

    The name is looked up by the proxy, and never here.
    """
    if is_ip_address(address.host):
        return [address] if address.is_ipv6 == ipv6 else []
    asker = _Asker(question)
    try:
        transport = port.join(asker, DatagramClaim(first_bytes=b"d", accepts=asker.accepts, order=-1))
    except ConnectionAbortedError:
        return []
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while True:
                    transport.sendto(question.datagram, tuple(address))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(ASK_AGAIN_S):
                            found = await asyncio.shield(asker.answer)
                            return [found] if found.is_ipv6 == ipv6 else []
    finally:
        transport.close()
    return []


class _Asker(BatchProtocol):
    """Waits for one answer, on a port on which others are at home as well."""

    def __init__(self, question: NameQuestion) -> None:
        self.answer: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        self._question = question

    def accepts(self, data: bytes, name: Any) -> bool:
        return self._question.is_answer(data)

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        for _, name in datagrams:
            source = Address.from_socket(name)
            if not self.answer.done() and is_usable_peer(source):
                self.answer.set_result(source)

    def error_received(self, exc: Exception) -> None:
        """It is asked again."""

    def pause_writing(self) -> None:
        """See `error_received`."""

    def resume_writing(self) -> None:
        """See `error_received`."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It stays silent, then."""


ASK_AGAIN_S = 2.0  # a datagram may be lost
MAX_ADDRESSES_PER_NAME = 4
