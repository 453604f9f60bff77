"""All uTP connections of one UDP socket: whose each datagram is, who may come in, and what strangers are told."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from random import Random

from transfer.congestion.registry import make_controller
from transfer.utp.config import MIN_BUFFER_BYTES, MIN_DATAGRAM_BYTES, UtpConfig
from transfer.utp.connection import UtpConnection
from transfer.utp.delay import difference_us, timestamp_us
from transfer.utp.handshakes import Handshakes
from transfer.utp.packet import (
    FIRST_BYTES,
    HEADER,
    HEADER_BYTES,
    NO_EXTENSION,
    RESET,
    RESET_BYTE,
    STATE_BYTE,
    SYN,
    Fields,
    RunHeaders,
    plain_runs,
    read_extensions,
    unpack_header,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UtpEndpointStats:
    """What has become of the datagrams of a socket.

    Attributes:
        connections, half_open: now.
        accepted, dialled: connections so far.
        malformed: datagrams that are no packets of uTP.
        strangers: packets that belong to no connection.
        refused: SYNs, because nobody listens or too many are connected.
    """

    connections: int
    half_open: int
    accepted: int
    dialled: int
    malformed: int
    strangers: int
    refused: int


class UtpEndpoint:
    """Finds the connection of each packet, and makes new ones of SYNs whose senders have shown that they hear us.

    After each call of `receive`, look at `accepted`, at `touched`, and at `replies`, and empty them.

    Args:
        rng: connection ids, sequence numbers, and a secret.

    Attributes:
        is_listening: whether SYNs are welcome.
        accepted: connections that others have made.
        touched: connections that got packets; the values mean nothing.
        replies: datagrams to others than connections, and to whom.

    Invariants:
        at most max_connections, each by the other side's address and the id it sends with
    """

    def __init__(self, config: UtpConfig, *, rng: Random) -> None:
        self.is_listening = False
        self.accepted: list[UtpConnection] = []
        self.touched: dict[UtpConnection, None] = {}
        self.replies: list[tuple[bytes, Hashable]] = []
        self._config = config
        self._rng = rng
        self._headers = RunHeaders()
        self._handshakes = Handshakes(config, rng)
        self._connections: dict[tuple[Hashable, int], UtpConnection] = {}
        self._resets_left = float(config.max_resets_per_s)
        self._resets_at = 0.0
        self._share_bytes = config.receive_buffer_bytes
        self._accepted_total = self._dialled_total = self._malformed = self._strangers = self._refused = 0

    # Inputs.

    def receive(self, data: bytes, source: Hashable, segment_bytes: int, *, now: float) -> None:
        """Datagrams from one sender, each of `segment_bytes` but the last. Never raises for what a stranger sent."""
        now_us = timestamp_us(now=now)
        size = len(data)
        if size <= segment_bytes:
            self._receive_one(data, 0, size, source, now=now, now_us=now_us)
            return
        count = -(-size // segment_bytes)
        if segment_bytes > HEADER_BYTES and size - (count - 1) * segment_bytes > HEADER_BYTES:
            runs = plain_runs(data, segment_bytes, count)
            connection = self._connections.get((source, int.from_bytes(data[2:4]))) if runs else None
            if connection is not None:
                for first, length in runs:
                    part = data if length == count else data[first * segment_bytes : (first + length) * segment_bytes]
                    connection.receive_run(unpack_header(part), part, segment_bytes, length, now=now, now_us=now_us)
                self.touched[connection] = None
                return
        for start in range(0, size, segment_bytes):
            self._receive_one(data, start, min(start + segment_bytes, size), source, now=now, now_us=now_us)

    # Commands.

    def connect(self, address: Hashable, *, is_ipv6: bool, now: float) -> UtpConnection | None:
        """A connection that is to be made; its `next_run` has the SYN. None if there are too many already."""
        rng, known = self._rng, self._connections
        if len(known) >= self._config.max_connections:
            return None
        receive_id = rng.getrandbits(16)
        for _ in range(MAX_ID_TRIES):
            if (address, receive_id) not in known:
                break
            receive_id = rng.getrandbits(16)
        else:
            return None
        self._dialled_total += 1
        first = rng.getrandbits(16) + 1
        return self._add(address, receive_id, receive_id + 1 & 0xFFFF, first, None, is_ipv6=is_ipv6, now=now)

    def forget(self, connection: UtpConnection) -> None:
        """It is over: what still comes for it is a stranger's."""
        key = (connection.address, connection.receive_id)
        if self._connections.get(key) is connection:
            del self._connections[key]
            self._share_memory()
        self.touched.pop(connection, None)

    # Views.

    def connections(self) -> list[UtpConnection]:
        """All there are."""
        return list(self._connections.values())

    def __len__(self) -> int:
        return len(self._connections)

    def stats(self) -> UtpEndpointStats:
        """What has become of what came."""
        return UtpEndpointStats(
            connections=len(self._connections),
            half_open=len(self._handshakes),
            accepted=self._accepted_total,
            dialled=self._dialled_total,
            malformed=self._malformed,
            strangers=self._strangers,
            refused=self._refused,
        )

    def check_invariants(self) -> None:
        assert len(self._connections) <= self._config.max_connections
        assert len(self._handshakes) <= self._config.max_half_open
        for (address, receive_id), connection in self._connections.items():
            assert (connection.address, connection.receive_id) == (address, receive_id)
            connection.check_invariants()

    # Parts of the above.

    def _receive_one(self, data: bytes, start: int, end: int, source: Hashable, *, now: float, now_us: int) -> None:
        if end - start < HEADER_BYTES or data[start] not in FIRST_BYTES:
            self._malformed += 1
            return
        fields: Fields = unpack_header(data, start)
        body, sack, described = start + HEADER_BYTES, 0, 0
        if fields[1]:
            extensions = read_extensions(data, fields[1], body, end)
            if extensions is None:
                self._malformed += 1
                return
            body, sack, described = extensions[0], extensions[1] or 0, extensions[2]
        connection = self._connections.get((source, fields[2]))
        if connection is None or fields[0] >> 4 == SYN:
            connection = self._find(fields, source, now=now, now_us=now_us)
            if connection is None:
                return
        connection.receive(fields, data, body, end, sack, described, now=now, now_us=now_us)
        self.touched[connection] = None

    def _find(self, fields: Fields, source: Hashable, *, now: float, now_us: int) -> UtpConnection | None:
        """The connection of a packet that is not simply one's of those there are: an old one, or a new one."""
        first, _, number, sent_us, _, _, sequence, acked = fields
        kind = first >> 4
        if kind == SYN:
            receive_id = number + 1 & 0xFFFF
            known = self._connections.get((source, receive_id))
            if known is None:
                self._answer_syn(source, number, sequence, difference_us(now_us, sent_us), now=now)
            return known
        if kind == RESET:
            for receive_id in (number - 1 & 0xFFFF, number + 1 & 0xFFFF):  # it may carry the id that we send with
                known = self._connections.get((source, receive_id))
                if known is not None and known.send_id == number:
                    return known
            self._handshakes.forget(source, number)
            self._handshakes.forget(source, number + 1 & 0xFFFF)
            self._strangers += 1
            return None
        begins = self._handshakes.complete(source, number, sequence, acked, now=now) if self.is_listening else None
        if begins is None or len(self._connections) >= self._config.max_connections:
            self._strangers += 1
            self._reset(source, number, sequence, now=now)
            return None
        ours, theirs = begins
        self._accepted_total += 1
        is_ipv6 = isinstance(source, tuple) and ":" in str(source[0])
        connection = self._add(source, number, number - 1 & 0xFFFF, ours, theirs, is_ipv6=is_ipv6, now=now)
        self.accepted.append(connection)
        return connection

    def _answer_syn(self, source: Hashable, number: int, sequence: int, difference: int, *, now: float) -> None:
        if not self.is_listening or len(self._connections) >= self._config.max_connections:
            self._refused += 1
            self._reset(source, number, sequence, now=now)
            return
        ours = self._handshakes.answer(source, number + 1 & 0xFFFF, sequence, now=now)
        window = self._share_bytes
        fields = (number, timestamp_us(now=now), difference, window, ours, sequence)
        self.replies.append((HEADER.pack(STATE_BYTE, NO_EXTENSION, *fields), source))

    def _reset(self, source: Hashable, number: int, sequence: int, *, now: float) -> None:
        """Tells a stranger that there is no such connection, but not all of them: addresses may be forged."""
        limit = self._config.max_resets_per_s
        self._resets_left = min(limit, self._resets_left + (now - self._resets_at) * limit)
        self._resets_at = now
        if self._resets_left < 1:
            return
        self._resets_left -= 1
        fields = (number, timestamp_us(now=now), 0, 0, self._rng.getrandbits(16), sequence)
        self.replies.append((HEADER.pack(RESET_BYTE, NO_EXTENSION, *fields), source))

    def _add(
        self,
        address: Hashable,
        receive_id: int,
        send_id: int,
        first_sequence: int,
        expected: int | None,
        *,
        is_ipv6: bool,
        now: float,
    ) -> UtpConnection:
        payload_bytes = MIN_DATAGRAM_BYTES - HEADER_BYTES
        connection = UtpConnection(
            self._config,
            address=address,
            receive_id=receive_id,
            send_id=send_id,
            headers=self._headers,
            controller=make_controller(self._config.congestion, packet_bytes=payload_bytes, rng=self._rng),
            is_ipv6=is_ipv6,
            first_sequence=first_sequence,
            expected=expected,
            now=now,
        )
        self._connections[address, receive_id] = connection
        connection.receiving.buffer_bytes = self._share_bytes
        self._share_memory()
        return connection

    def _share_memory(self) -> None:
        """Halves every connection's part when all of them could keep too much, and doubles it when far fewer do."""
        config, number, share = self._config, len(self._connections), self._share_bytes
        if share * number > config.max_received_bytes and share > MIN_BUFFER_BYTES:
            share = max(share // 2, MIN_BUFFER_BYTES)
        elif share < config.receive_buffer_bytes and 3 * share * number < config.max_received_bytes:
            share = min(2 * share, config.receive_buffer_bytes)
        if share != self._share_bytes:
            self._share_bytes = share
            for connection in self._connections.values():
                connection.receiving.buffer_bytes = share


MAX_ID_TRIES = 100
