"""A connection of libp2p secured by Noise: who the other side is, and messages of up to 65,519 bytes (specs/noise)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from transfer.identity.errors import IdentityError
from transfer.identity.keys import PrivateKey, PublicKey
from transfer.identity.peer_id import PeerId
from transfer.security.noise.cipher import TAG_BYTES, CipherState
from transfer.security.noise.errors import NoiseError
from transfer.security.noise.handshake import MAX_MESSAGE_BYTES, XXHandshake
from transfer.wire import protobuf

SIGNED_BEFORE_KEY = b"noise-libp2p-static-key:"
LENGTH_BYTES = 2
MAX_PLAINTEXT_BYTES = MAX_MESSAGE_BYTES - TAG_BYTES
MAX_HANDSHAKE_BYTES = 16 << 10  # an RSA key of 8192 bits and many muxers have room in it


@dataclass(frozen=True, slots=True)
class NoiseSession:
    """What the handshake came to.

    Attributes:
        sending, receiving: the two directions.
        public_key: of the other side.
        muxer: agreed on in the handshake; None: it is to be negotiated on the connection.
        handshake_hash: equal on both sides, and on no other connection.
    """

    sending: CipherState
    receiving: CipherState
    public_key: PublicKey
    muxer: str | None
    handshake_hash: bytes

    @property
    def peer_id(self) -> PeerId:
        """Of the other side."""
        return self.public_key.peer_id


class NoiseNegotiation:
    """Both sides of the handshake, without I/O.

    Args:
        identity: of this side.
        static: belongs to this program; its identity signs it.
        ephemeral: for this connection only.
        muxers: offered within the handshake, the best first; empty: the muxer is negotiated afterwards.
        expected: the peer that was called; None: any.

    Attributes:
        session: when the handshake is done.
        rest: what the other side has sent behind its last message.
    """

    def __init__(
        self,
        *,
        is_initiator: bool,
        identity: PrivateKey,
        static: X25519PrivateKey,
        ephemeral: X25519PrivateKey,
        muxers: Sequence[str] = (),
        expected: PeerId | None = None,
    ) -> None:
        self._is_initiator = is_initiator
        self._identity = identity
        self._static = static
        self._muxers = tuple(muxers)
        self._expected = expected
        self._handshake = XXHandshake(is_initiator=is_initiator, static=static, ephemeral=ephemeral)
        self._buffer = bytearray()
        self._output = b""
        self._remote: tuple[PublicKey, tuple[str, ...]] | None = None
        self.session: NoiseSession | None = None
        self.rest = b""
        if is_initiator:
            self._write(b"")  # it would be readable

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """More of what comes, until there is a `session`.

        Raises:
            NoiseError: the other side does not speak Noise, or is not the peer that was meant.
        """
        self._buffer += data
        while self.session is None and (message := self._next_message()) is not None:
            payload = self._handshake.read(message)
            if self._handshake.remote_static:
                self._remote = self._read_payload(payload)
            if self._handshake.writes_next:
                self._write(self._payload())
            if self._handshake.is_done:
                self._finish()

    def data_to_send(self) -> bytes:
        """What is to be sent now."""
        output, self._output = self._output, b""
        return output

    def _next_message(self) -> bytes | None:
        if len(self._buffer) < LENGTH_BYTES:
            return None
        size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if size > MAX_HANDSHAKE_BYTES:
            raise NoiseError(f"a message of the handshake has {size} bytes, of at most {MAX_HANDSHAKE_BYTES}")
        if len(self._buffer) < LENGTH_BYTES + size:
            return None
        message = bytes(self._buffer[LENGTH_BYTES : LENGTH_BYTES + size])
        del self._buffer[: LENGTH_BYTES + size]
        return message

    def _write(self, payload: bytes) -> None:
        message = self._handshake.write(payload)
        self._output += len(message).to_bytes(LENGTH_BYTES, "big") + message

    def _payload(self) -> bytes:
        public = self._static.public_key().public_bytes_raw()
        payload = _PAYLOAD(
            identity_key=self._identity.public_key.to_bytes(),
            identity_sig=self._identity.sign(SIGNED_BEFORE_KEY + public),
        )
        if self._muxers:
            payload.extensions.stream_muxers.extend(self._muxers)
        return protobuf.encode(payload)

    def _read_payload(self, data: bytes) -> tuple[PublicKey, tuple[str, ...]]:
        try:
            payload = protobuf.decode(_PAYLOAD, data, max_bytes=MAX_HANDSHAKE_BYTES)
            key = PublicKey.from_bytes(payload.identity_key)
        except (protobuf.ProtobufError, IdentityError) as error:
            raise NoiseError(f"the other side does not say who it is: {error}") from None
        if not key.verify(SIGNED_BEFORE_KEY + self._handshake.remote_static, payload.identity_sig):
            raise NoiseError(f"the other side says to be {key.peer_id}, and has not signed it")
        if self._expected is not None and not self._expected.matches(key):
            raise NoiseError(f"the other side is {key.peer_id}, not {self._expected}")
        return key, tuple(payload.extensions.stream_muxers)

    def _finish(self) -> None:
        assert self._remote is not None
        key, muxers = self._remote
        sending, receiving, digest = self._handshake.finish()
        self.session = NoiseSession(sending, receiving, key, self._agree(muxers), digest)
        self.rest = bytes(self._buffer)
        self._buffer.clear()

    def _agree(self, theirs: tuple[str, ...]) -> str | None:
        """The order of the side that began decides."""
        if not theirs or not self._muxers:
            return None
        first, second = (self._muxers, theirs) if self._is_initiator else (theirs, self._muxers)
        common = next((muxer for muxer in first if muxer in second), None)
        if common is None:
            raise NoiseError(f"the other side has other muxers: {', '.join(theirs)[:200]}")
        return common


_PAYLOAD = protobuf.message_types(
    "kad.security.noise",
    Extensions={"webtransport_certhashes": (1, "repeated bytes"), "stream_muxers": (2, "repeated string")},
    Payload={
        "identity_key": (1, "required bytes"),
        "identity_sig": (2, "required bytes"),
        "extensions": (4, "optional Extensions"),
    },
)["Payload"]
