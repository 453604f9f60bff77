"""Which question to a UDP tracker a datagram answers, when all are asked from one socket (BEP 15)."""

from __future__ import annotations

from typing import Any

from bittorrent.tracker.udp_exchange import UdpExchange
from transfer.address import Address, is_ip_address


class UdpQuestions:
    """The exchanges under way on one socket.

    A datagram is an answer only if it comes from the very endpoint that was asked and carries the transaction id that
    was given out last: a program that forges the first still has to guess 32 bits. Nothing that arrives is kept.

    A tracker that was asked by its name, through a proxy, is known by its port: from which address it answers only the
    proxy knows.
    """

    def __init__(self) -> None:
        self._asked: dict[Address, list[UdpExchange[Any]]] = {}

    def add(self, exchange: UdpExchange[Any], tracker: Address) -> None:
        """From now on `tracker` may answer."""
        self._asked.setdefault(_key(tracker), []).append(exchange)

    def remove(self, exchange: UdpExchange[Any], tracker: Address) -> None:
        """The answer is not wanted any more. Without effect if the exchange is not there."""
        key = _key(tracker)
        asked = [each for each in self._asked.get(key, ()) if each is not exchange]
        if asked:
            self._asked[key] = asked
        else:
            self._asked.pop(key, None)

    def answered_by(self, data: bytes, source: Address) -> UdpExchange[Any] | None:
        """The exchange that a datagram belongs to, the oldest of several. Cost: O(questions to that tracker)."""
        for key in (source, Address("", source.port)):
            for exchange in self._asked.get(key, ()):
                if exchange.awaits(data):
                    return exchange
        return None

    def __len__(self) -> int:
        return sum(map(len, self._asked.values()))


def _key(tracker: Address) -> Address:
    return tracker if is_ip_address(tracker.host) else Address("", tracker.port)
