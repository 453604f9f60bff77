"""Which question to a UDP tracker a datagram answers, when all are asked from one socket (BEP 15)."""

from __future__ import annotations

from typing import Any

from bittorrent.tracker.udp_exchange import UdpExchange
from transfer.address import Address


class UdpQuestions:
    """The exchanges under way on one socket.

    A datagram is an answer only if it comes from the very endpoint that was asked and carries the transaction id that
    was given out last: a program that forges the first still has to guess 32 bits. Nothing that arrives is kept.
    """

    def __init__(self) -> None:
        self._asked: dict[Address, list[UdpExchange[Any]]] = {}

    def add(self, exchange: UdpExchange[Any], tracker: Address) -> None:
        """From now on `tracker` may answer."""
        self._asked.setdefault(tracker, []).append(exchange)

    def remove(self, exchange: UdpExchange[Any], tracker: Address) -> None:
        """The answer is not wanted any more. Without effect if the exchange is not there."""
        asked = [each for each in self._asked.get(tracker, ()) if each is not exchange]
        if asked:
            self._asked[tracker] = asked
        else:
            self._asked.pop(tracker, None)

    def answered_by(self, data: bytes, source: Address) -> UdpExchange[Any] | None:
        """The exchange that a datagram belongs to, the oldest of several. Cost: O(questions to that tracker)."""
        for exchange in self._asked.get(source, ()):
            if exchange.awaits(data):
                return exchange
        return None

    def __len__(self) -> int:
        return sum(map(len, self._asked.values()))
