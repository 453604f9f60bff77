"""`/plaintext/2.0.0` as a layer: both sides say who they are, and nothing is encrypted."""

from __future__ import annotations

from transfer.aio.layer import Layer
from transfer.aio.negotiation import Above
from transfer.errors import TransferError
from transfer.identity.keys import PublicKey
from transfer.identity.peer_id import PeerId
from transfer.security.plaintext import PlaintextError, PlaintextExchange


class PlaintextLayer(Layer):
    """`get_extra_info` tells "peer_id" and "public_key" as the other side has said them.

    Args:
        key: of this side.
        expected: the peer that was called; None: any.
        above: makes what is above, of this layer and "": no muxer is agreed on here.
    """

    def __init__(self, key: PublicKey, *, expected: PeerId | None = None, above: Above | None = None) -> None:
        super().__init__()
        self._exchange: PlaintextExchange | None = PlaintextExchange(key, expected=expected)
        self._above = above

    def begin(self) -> None:
        assert self._exchange is not None
        self.below.write(self._exchange.data_to_send())

    def receive(self, data: bytes) -> None:
        exchange = self._exchange
        if self.is_open:
            self.deliver(data)
        elif exchange is not None:
            try:
                exchange.receive(data)
                if exchange.public_key is not None:
                    self._exchange = None
                    self._go_on(exchange.public_key, exchange.rest)
            except (PlaintextError, OSError, TransferError) as error:
                self._exchange = None
                self.fail(error)

    def _go_on(self, key: PublicKey, rest: bytes) -> None:
        self.extra["peer_id"], self.extra["public_key"], self.extra["muxer"] = key.peer_id, key, None
        self.open(None if self._above is None else self._above(self, ""), hands_through=True)
        if rest:
            self.deliver(rest)
