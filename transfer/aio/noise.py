"""Noise as a layer: what is written below is encrypted, and who the other side is stands in `get_extra_info`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from transfer.aio.layer import Chunks, Layer
from transfer.aio.negotiation import Above
from transfer.errors import TransferError
from transfer.identity.keys import PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.security.noise.cipher import CipherState
from transfer.security.noise.errors import NoiseCutOffError, NoiseError
from transfer.security.noise.session import (
    LENGTH_BYTES,
    MAX_PLAINTEXT_BYTES,
    NoiseNegotiation,
    NoiseSession,
)


class NoiseLayer(Layer, asyncio.BufferedProtocol):
    """A stream that has a Noise handshake at its beginning, and consists of encrypted records behind it.

    `get_extra_info` tells "peer_id" and "public_key" of the other side, and "muxer": what was agreed on within the
    handshake, or None.

    Records are decrypted where they were read. No connection keeps more than one that is incomplete: the buffers that
    are lent to what is below are shared.

    Args:
        static: made once in a program, or for each connection.
        muxers: offered within the handshake.
        expected: the peer that was called; None: any.
        above: makes what is above, of this layer and the muxer that was agreed on ("" for none).
    """

    def __init__(
        self,
        *,
        is_initiator: bool,
        identity: PrivateKey,
        static: X25519PrivateKey,
        muxers: Sequence[str] = (),
        expected: PeerId | None = None,
        above: Above | None = None,
    ) -> None:
        super().__init__()
        self._negotiation: NoiseNegotiation | None = NoiseNegotiation(
            is_initiator=is_initiator,
            identity=identity,
            static=static,
            ephemeral=X25519PrivateKey.generate(),
            muxers=muxers,
            expected=expected,
        )
        self._above = above
        self._sending: CipherState
        self._receiving: CipherState
        self._partial = b""  # a record of which not all is here
        self._lent: bytearray | None = None

    def begin(self) -> None:
        assert self._negotiation is not None
        if message := self._negotiation.data_to_send():
            self.below.write(message)

    # From below: a protocol that lends its buffers.

    def get_buffer(self, sizehint: int) -> Any:
        if self._lent is None:
            self._lent = _buffers.pop() if _buffers else bytearray(BUFFER_BYTES)
        start = len(self._partial)
        if start:
            self._lent[:start] = self._partial
        return memoryview(self._lent)[start:]

    def buffer_updated(self, nbytes: int) -> None:
        lent, self._lent = self._lent, None
        assert lent is not None
        try:
            with memoryview(lent) as view, view[: len(self._partial) + nbytes] as received:
                self._take(received)
        finally:
            if len(_buffers) < MAX_BUFFERS:
                _buffers.append(lent)

    def receive(self, data: bytes) -> None:
        """For what does not ask for buffers."""
        with memoryview(self._partial + data) as received:
            self._take(received)

    def receive_end(self) -> None:
        if self.is_open and self._partial:
            self.fail(NoiseCutOffError("the connection ended in the middle of what was encrypted"))
        else:
            super().receive_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._negotiation = None
        self._lent = None
        super().connection_lost(exc)

    # From above.

    def send(self, chunks: Chunks) -> None:
        data = b"".join(chunks)
        encrypt = self._sending.encrypt
        if len(data) <= MAX_PLAINTEXT_BYTES:
            if data:
                record = encrypt(data)
                self.below.writelines((len(record).to_bytes(LENGTH_BYTES, "big"), record))
            return
        records: list[bytes] = []
        with memoryview(data) as view:
            for start in range(0, len(data), MAX_PLAINTEXT_BYTES):
                record = encrypt(view[start : start + MAX_PLAINTEXT_BYTES])
                records += (len(record).to_bytes(LENGTH_BYTES, "big"), record)
        self.below.writelines(records)

    def _take(self, received: memoryview) -> None:
        """All that is here and was not taken: the partial record first."""
        if self.is_open:
            self._partial = b""
            self._decrypt(received)
        else:
            self._shake_hands(bytes(received))

    def _shake_hands(self, data: bytes) -> None:
        negotiation = self._negotiation
        if negotiation is None:
            return  # it has failed
        try:
            negotiation.receive(data)
        except NoiseError as error:
            self._negotiation = None
            self.fail(error)
            return
        if message := negotiation.data_to_send():
            self.below.write(message)
        if negotiation.session is not None:
            self._negotiation = None
            self._go_on(negotiation.session)
            if self.is_open and negotiation.rest:
                with memoryview(negotiation.rest) as rest:
                    self._decrypt(rest)

    def _go_on(self, session: NoiseSession) -> None:
        self._sending, self._receiving = session.sending, session.receiving
        self.extra["peer_id"] = session.peer_id
        self.extra["public_key"] = session.public_key
        self.extra["muxer"] = session.muxer
        try:
            above = None if self._above is None else self._above(self, session.muxer or "")
        except (OSError, TransferError) as error:
            self.fail(error)
            return
        self.open(above)

    def _decrypt(self, received: memoryview) -> None:
        place, size, decrypt = 0, len(received), self._receiving.decrypt
        while size - place >= LENGTH_BYTES and not self._core.is_closing:
            end = place + LENGTH_BYTES + (received[place] << 8 | received[place + 1])
            if end > size:
                break
            try:
                plaintext = decrypt(received[place + LENGTH_BYTES : end])
            except NoiseError as error:
                self.fail(error)
                return
            place = end
            if plaintext:
                self.deliver(plaintext)
        self._partial = bytes(received[place:])


# One is in use while what was read is taken: more only where one such connection is carried by another.
_buffers: list[bytearray] = []
MAX_BUFFERS = 4
BUFFER_BYTES = 256 << 10
