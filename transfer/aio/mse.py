"""Message stream encryption as a layer of a connection, for the side that dials and the one that listens."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from transfer.aio.layer import Chunks, Layer
from transfer.security.mse.handshake import Handshake, MseStream
from transfer.security.mse.initiator import MseInitiator
from transfer.security.mse.keys import MseError, StreamCipher
from transfer.security.mse.method import CryptoMethod
from transfer.security.mse.responder import FindTorrent, MseResponder, ResponderConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """Where keys and paddings come from. The default is the system's.

    Attributes:
        random_bytes: for keys; hard to guess, unless in a simulation.
        rng: for the lengths of paddings.
    """

    random_bytes: Callable[[int], bytes] = lambda size: os.urandom(size)
    rng: random.Random = field(default_factory=lambda: random.Random(os.urandom(16)))


class MseLayer(Layer):
    """A stream that has an MSE handshake at its beginning.

    `get_extra_info("encryption")` is "rc4", "plain" after a handshake that chose so, or None when there was none;
    `get_extra_info("mse_skey")` is what the handshake was about.
    """

    def __init__(self) -> None:
        super().__init__()
        self._handshake: Handshake | None = None
        self._encryptor: StreamCipher | None = None
        self._decryptor: StreamCipher | None = None
        self.extra["encryption"] = None

    def receive(self, data: bytes) -> None:
        if self.is_open:
            self.deliver(data if self._decryptor is None else self._decryptor.update(data))
            return
        handshake = self._handshake
        if handshake is None:
            return  # it has failed
        handshake.receive_data(data)
        answer = handshake.data_to_send()
        if answer:
            self.below.write(answer)
        if handshake.error is not None:
            self._handshake = None
            self.fail(handshake.error)
        elif handshake.stream is not None:
            self._handshake = None
            self._go_on(handshake.stream)

    def receive_end(self) -> None:
        if self.is_open:
            self.deliver_end()
        else:
            self._handshake = None
            self.fail(MseError("the peer ended the connection during the encryption handshake"))

    def send(self, chunks: Chunks) -> None:
        encryptor = self._encryptor
        if encryptor is not None:
            chunks = [encryptor.update(chunk) for chunk in chunks]
        self.below.writelines(chunks)

    def _go_on(self, stream: MseStream) -> None:
        self._encryptor, self._decryptor = stream.encryptor, stream.decryptor
        self.extra["encryption"] = "rc4" if stream.method is CryptoMethod.RC4 else "plain"
        self.extra["mse_skey"] = stream.skey
        if stream.decryptor is None:
            self.open(hands_through=True)
        else:
            decrypt = stream.decryptor.update_into
            self.open(hands_through=True, change=lambda view: decrypt(view, view))
        self.deliver(stream.received)


class MseDialler(MseLayer):
    """Dials a peer about one torrent.

    Args:
        skey: its info-hash.
        provide: the methods that we take.
    """

    def __init__(
        self,
        skey: bytes,
        *,
        provide: CryptoMethod = CryptoMethod.PLAIN | CryptoMethod.RC4,
        chance: Chance | None = None,
    ) -> None:
        super().__init__()
        chance = chance or Chance()
        self._handshake = MseInitiator(skey, provide=provide, random_bytes=chance.random_bytes, rng=chance.rng)

    def begin(self) -> None:
        if self._handshake is not None:
            self.below.write(self._handshake.data_to_send())


class MseAcceptor(MseLayer):
    """Accepts a peer, which may speak with MSE or without.

    Args:
        find: as in `MseResponder`.
        plain_prefix: what a stream without MSE begins with.
        takes_plain: whether one without MSE is welcome.
        config: what else we take.
    """

    def __init__(
        self,
        find: FindTorrent,
        *,
        plain_prefix: bytes,
        takes_plain: bool = True,
        config: ResponderConfig | None = None,
        chance: Chance | None = None,
    ) -> None:
        super().__init__()
        self._find = find
        self._plain_prefix = plain_prefix
        self._takes_plain = takes_plain
        self._config = config or ResponderConfig()
        self._chance = chance or Chance()
        self._head: bytes | None = b""

    def begin(self) -> None:
        """Waits: the peer begins."""

    def receive(self, data: bytes) -> None:
        if self._head is None:
            super().receive(data)
            return
        head = self._head + data
        prefix = self._plain_prefix
        if head[: len(prefix)] != prefix[: len(head)]:
            self._head = None
            chance = self._chance
            self._handshake = MseResponder(
                self._find, config=self._config, random_bytes=chance.random_bytes, rng=chance.rng
            )
            super().receive(head)
        elif len(head) < len(prefix):
            self._head = head
        elif self._takes_plain:
            self._head = None
            self.open(hands_through=True)
            self.deliver(head)
        else:
            self._head = None
            self.fail(MseError("the peer does not encrypt, which is required here"))
