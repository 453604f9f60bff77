"""One uTP connection: what arrives goes to its two directions, what they want to say leaves in runs, and timers.

Theory of operation. A connection is CONNECTING (a SYN is on its way), CONNECTED or CLOSED; one that was accepted begins
CONNECTED, because the endpoint makes none before its other side has acknowledged. Each direction ends by itself with a
FIN, which is a packet like any other. `close` ends ours and says that nothing is read any more: what comes then, and
what waits unread, is answered with a RESET, as TCP does. After each input the caller takes what has arrived, calls
`next_run` until it answers None, and asks `next_timer`.

| said by us | heard                | then                                                                          |
|------------|----------------------|-------------------------------------------------------------------------------|
| `end()`    | FIN acknowledged     | the other direction goes on                                                   |
| `close()`  | FIN acknowledged     | `is_flushed`; CLOSED when the other side's FIN has come, or `linger_s` later  |
| `close()`  | data                 | RESET once ours is acknowledged, CLOSED                                       |
| `abort()`  |                      | RESET, CLOSED                                                                 |
|            | RESET                | CLOSED: `Ending.RESET`, or CLEAN if just our FIN was to be acknowledged still |
|            | nothing for too long | CLOSED: `Ending.TIMED_OUT`                                                    |
"""

from __future__ import annotations

import math
from collections.abc import Hashable

from transfer.congestion.controller import CongestionController
from transfer.datagrams.runs import Buffer
from transfer.utp.config import UtpConfig
from transfer.utp.delay import difference_us, timestamp_us
from transfer.utp.packet import (
    DATA_BYTE,
    EXTENSION_BITS,
    FIN,
    FIN_BYTE,
    HEADER,
    HEADER_BYTES,
    NO_EXTENSION,
    RESET,
    RESET_BYTE,
    SACK_EXTENSION,
    STATE,
    STATE_BYTE,
    SYN,
    SYN_BYTE,
    Fields,
    RunHeaders,
    padding,
    sack_bytes,
    unwrapped,
)
from transfer.utp.receiving import ReceivingHalf
from transfer.utp.sender import Sender
from transfer.utp.values import Burst, Ending, Run, State, UtpStats


class UtpConnection:
    """One connection, whose other side is known by an address that means nothing here.

    Args:
        address: of the other side, as the socket names it.
        receive_id, send_id: in what comes, and in what leaves.
        headers: room that all connections of a socket share.
        first_sequence: of our first packet with payload; a SYN before it has the number before.
        expected: the other side's first packet with payload; None for the side that dials, which waits to hear it.

    Attributes:
        state, ending: see the module; ending is None until it is CLOSED.
        is_flushed: after `close`: all that was written, and the end of it, has been acknowledged.
        receiving: what has arrived; None before the connection is.
        sender: what leaves.
        ignored: packets that were no answer to anything we sent, or nothing at all.
    """

    __slots__ = (
        "_advertised",
        "_burst",
        "_config",
        "_confirm_at",
        "_confirms",
        "_difference_us",
        "_discards",
        "_has_closed",
        "_headers",
        "_heard_at",
        "_knows_end",
        "_linger_at",
        "_must_ack",
        "_must_reset",
        "_sent_at",
        "_syn_at",
        "_syn_due",
        "_syns",
        "address",
        "ending",
        "ignored",
        "is_flushed",
        "receive_id",
        "receiving",
        "send_id",
        "sender",
        "state",
    )

    def __init__(
        self,
        config: UtpConfig,
        *,
        address: Hashable,
        receive_id: int,
        send_id: int,
        headers: RunHeaders,
        controller: CongestionController,
        is_ipv6: bool,
        first_sequence: int,
        expected: int | None,
        now: float,
    ) -> None:
        self.address = address
        self.receive_id = receive_id
        self.send_id = send_id
        self.state = State.CONNECTING if expected is None else State.CONNECTED
        self.ending: Ending | None = None
        self.is_flushed = False
        self.ignored = 0
        self.sender = Sender(config, first_sequence=first_sequence, controller=controller, is_ipv6=is_ipv6, now=now)
        self.receiving = ReceivingHalf(config, expected=expected or 0)
        self._config = config
        self._headers = headers
        self._burst: Burst | None = None
        self._difference_us = 0
        self._advertised = config.receive_buffer_bytes
        self._knows_end = True  # whoever acknowledges our FIN has heard that its own has arrived
        self._has_closed = self._discards = self._must_ack = self._must_reset = False
        self._heard_at = self._sent_at = now
        self._linger_at = self._confirm_at = math.inf
        self._confirms = 0
        self._syns = 0
        self._syn_at = now
        self._syn_due = expected is None

    # Inputs.

    def receive(
        self, fields: Fields, data: bytes, start: int, end: int, sack: int, described: int, *, now: float, now_us: int
    ) -> None:
        """One packet of this connection.

        Args:
            fields: its header.
            data, start, end: where its payload lies.
            sack, described: its selective acknowledgement, and of how many packets that tells; 0 without one.
            now_us: when it was received, as `timestamp_us` has it.
        """
        first, _, _, sent_us, difference, window, sequence, acked = fields
        kind = first >> 4
        if kind == RESET:
            self.receive_reset(acked)
            return
        if kind == SYN:
            self._must_ack = self.state is State.CONNECTED  # our answer was lost
            return
        if self.state is State.CONNECTED:
            self._confirm_at = math.inf
        elif not self._opens(kind, sequence, acked, now=now):
            self.ignored += 1
            return
        self._difference_us = difference_us(now_us, sent_us)
        if self._hear(acked, sack, described, window, difference, is_bare=kind == STATE, now=now) and kind != STATE:
            receiving = self.receiving
            sequence = unwrapped(sequence, receiving.expected)
            self._must_ack = True
            if kind == FIN:
                receiving.receive_fin(sequence)
            elif receiving.receive(sequence, data, start, end) and self._has_closed:
                self._discard()
        self._look(now=now)

    def receive_run(
        self, fields: Fields, data: bytes, segment_bytes: int, count: int, *, now: float, now_us: int
    ) -> None:
        """Packets with sequence numbers in a row and nothing but a header and payload: see `plain_runs`.

        Args:
            fields: the header of the first; what the last one says counts.
        """
        if self.state is not State.CONNECTED:
            self.ignored += count
            return
        _, _, _, sent_us, difference, window, _, acked = HEADER.unpack_from(data, (count - 1) * segment_bytes)
        self._difference_us = difference_us(now_us, sent_us)
        if self._hear(acked, 0, 0, window, difference, is_bare=False, now=now):
            receiving = self.receiving
            self._must_ack = True
            sequence = unwrapped(fields[6], receiving.expected)
            if receiving.receive_run(sequence, data, segment_bytes, count) and self._has_closed:
                self._discard()
        self._look(now=now)

    def receive_reset(self, acked: int) -> None:
        """The other side knows nothing of this connection, or no longer wants to. A forged one has to guess `acked`."""
        half = self.sender.half
        number = unwrapped(acked, half.base - 1)
        if self.state is State.CONNECTING:
            if number == half.base - 1 and self._syns:
                self._end(Ending.REFUSED)
                return
        elif self.state is State.CONNECTED and half.base - 1 - self._config.max_packets_ahead <= number <= half.next:
            self._break()
            return
        self.ignored += 1

    def refuse(self) -> None:
        """The network says that no program is there."""
        if self.state is State.CONNECTING:
            self._end(Ending.REFUSED)
        elif self.state is State.CONNECTED:
            self._break()

    def handle_timer(self, *, now: float) -> None:
        """Looks at what is due. Then `next_run` has to be called."""
        if self.state is State.CONNECTING:
            if now >= self._syn_at:
                if self._syns >= self._config.syn_attempts:
                    self._end(Ending.TIMED_OUT)
                self._syn_due = True
        elif self.state is State.CONNECTED:
            sender = self.sender
            sender.handle_timer(now=now)
            has_gone = self._has_closed and self.receiving.has_ended and sender.only_fin_is_missing
            has_gone = has_gone and now >= self._heard_at + self._config.last_words_s and sender.timeouts > 0
            if now >= self._linger_at or has_gone:
                self._must_reset = not self.receiving.has_ended
                self._end(Ending.CLEAN)
            elif sender.is_stuck or now >= self._heard_at + self._config.idle_timeout_s:
                self._must_reset = True
                self._end(Ending.TIMED_OUT)
            elif now >= self._sent_at + self._config.keep_alive_s:
                self._must_ack = True
            if now >= self._confirm_at:
                self._confirms += 1
                self._confirm_at = now + CONFIRM_S if self._confirms < MOST_CONFIRMS else math.inf
                self._must_ack = True

    def next_timer(self) -> float | None:
        """When `handle_timer` is due; None when that is never."""
        if self.state is State.CONNECTING:
            return self._syn_at
        if self.state is State.CLOSED:
            return None
        config = self._config
        due = min(self._sent_at + config.keep_alive_s, self._heard_at + config.idle_timeout_s)
        due = min(due, self._linger_at, self._confirm_at)
        other = self.sender.next_timer()
        return other if other is not None and other < due else due

    # Commands.

    def write(self, data: Buffer) -> None:
        """Sends bytes, which must not change; more than `sender.room` is taken, but should not be given."""
        self.sender.put(data)

    def end(self) -> None:
        """Ends our direction behind what was written."""
        self.sender.end()

    def consume(self, size: int) -> None:
        """The reader has taken so many bytes of what has arrived."""
        receiving = self.receiving
        receiving.unread_bytes -= size
        window = receiving.window
        if window - self._advertised >= receiving.buffer_bytes // 4 or (window and not self._advertised):
            self._must_ack = True  # the other side may wait for it

    def close(self, *, now: float) -> None:
        """Ends our direction behind what was written, and reads nothing any more."""
        if self.state is State.CONNECTED and not self._has_closed:
            self._has_closed = True
            if self.receiving.unread_bytes:
                self._discard()
            else:
                self.sender.end()
            self._look(now=now)

    def abort(self) -> None:
        """Ends everything now; the other side is told."""
        if self.state is not State.CLOSED:
            self._must_reset = self.state is State.CONNECTED or self._syns > 0
            self._end(Ending.CLEAN)

    # Outputs.

    def next_run(self, *, now: float) -> Run | None:
        """What leaves now, and counts as sent when this returns; None when nothing is left to be said.

        A run is to be sent before any other one of the same socket is asked for: their headers share memory.
        """
        self._burst = None
        if self.state is not State.CONNECTED:
            return self._next_of_handshake(now=now)
        burst = self.sender.next_burst(now=now)
        if burst is not None:
            self._burst = burst
            return self._run_of(burst, now=now)
        if not self._must_ack:
            return None
        self._must_ack = False
        mask = self.receiving.mask
        if not mask:
            return self._single(STATE_BYTE, NO_EXTENSION, b"", now=now)
        sack = sack_bytes(mask)
        return self._single(STATE_BYTE, SACK_EXTENSION, bytes((NO_EXTENSION, len(sack))) + sack, now=now)

    def on_not_sent(self, count: int) -> None:
        """The socket did not take the last `count` datagrams of the last run."""
        if self._burst is not None:
            self.sender.on_not_sent(self._burst, count)
        else:
            self._must_ack = True

    # Views.

    def stats(self) -> UtpStats:
        """What it has come to."""
        return self.sender.stats()

    def check_invariants(self) -> None:
        self.sender.check_invariants()
        self.receiving.check_invariants()
        assert (self.ending is None) == (self.state is not State.CLOSED)

    # Parts of the above.

    def _opens(self, kind: int, sequence: int, acked: int, *, now: float) -> bool:
        """Whether a packet answers our SYN. It has the number of the first packet with payload that will come."""
        if self.state is State.CLOSED or kind != STATE or not self._syns:
            return False
        if acked != self.sender.half.base - 1 & 0xFFFF:
            return False
        self.state = State.CONNECTED
        self.receiving.expected = sequence
        self._must_ack = True  # or the other side would not know, if we have nothing to say
        self._confirm_at = now + CONFIRM_S
        self._syn_due = False
        return True

    def _hear(
        self, acked: int, sack: int, described: int, window: int, difference: int, *, is_bare: bool, now: float
    ) -> bool:
        """What a packet says of ours; False if it cannot be of this connection."""
        half = self.sender.half
        number = unwrapped(acked, half.base - 1)
        if number >= half.next or number < half.base - 1 - self._config.max_packets_ahead:
            self.ignored += 1
            return False
        self._heard_at = now
        if number >= half.base - 1:
            self.sender.on_ack(
                number, sack, described, window=window, difference_us=difference, is_bare=is_bare, now=now
            )
        return True

    def _discard(self) -> None:
        """What arrives will never be read: the other side has to know, once it has all that we wrote."""
        self._discards = True
        self.receiving.discard()

    def _look(self, *, now: float) -> None:
        """Whether an end has been reached."""
        if not self._has_closed or self.state is not State.CONNECTED:
            return
        sender = self.sender
        if self._discards:
            if sender.is_done or self.is_flushed:
                self._must_reset = True
                self.is_flushed = True
                self._end(Ending.CLEAN)
            return
        if not self.is_flushed:
            if not sender.is_done:
                return
            self.is_flushed = True
            self._linger_at = now + self._config.linger_s
        if self.receiving.has_ended:
            if self._knows_end:
                self._end(Ending.CLEAN)
            else:
                self._linger_at = min(self._linger_at, now + self._config.time_wait_s)

    def _break(self) -> None:
        """The other side has gone. That is how it should be if just the acknowledgement of our FIN was to come."""
        is_over = self.receiving.has_ended and self.sender.only_fin_is_missing
        self._end(Ending.CLEAN if is_over or self.is_flushed else Ending.RESET)

    def _end(self, ending: Ending) -> None:
        self.state = State.CLOSED
        self.ending = ending

    def _next_of_handshake(self, *, now: float) -> Run | None:
        """A SYN or a RESET, if one is due."""
        if self.state is State.CONNECTING and self._syn_due:
            self._syn_due = False
            self._syn_at = now + self._config.syn_timeout_s * (1 << min(self._syns, 10))
            self._syns += 1
            sequence = self.sender.half.base - 1 & 0xFFFF
            syn = HEADER.pack(SYN_BYTE, NO_EXTENSION, self.receive_id, timestamp_us(now=now), 0, 0, sequence, 0)
            return Run([syn], len(syn), 1)
        if self.state is State.CLOSED and self._must_reset:
            self._must_reset = False
            return self._single(RESET_BYTE, NO_EXTENSION, b"", now=now)
        return None

    def _run_of(self, burst: Burst, *, now: float) -> Run:
        payloads = burst.payloads
        count = len(payloads)
        if burst.is_fin and not self.receiving.has_ended:
            self._knows_end = False
        template = self._header(FIN_BYTE if burst.is_fin else DATA_BYTE, NO_EXTENSION, 0, now=now)
        if burst.sequences is None:
            headers = self._headers.fill(template, burst.first_sequence & 0xFFFF, count)
        else:
            headers = self._headers.fill_each(template, [sequence & 0xFFFF for sequence in burst.sequences])
        if not self.receiving.mask:  # else what has arrived behind a hole is told in a packet of its own
            self._must_ack = False
        buffers: list[Buffer] = [b""] * (2 * count)
        buffers[::2] = headers
        buffers[1::2] = payloads
        size = len(payloads[0]) + HEADER_BYTES
        if burst.padding:
            filled = bytearray(headers[0])
            filled[1] = EXTENSION_BITS
            buffers[0] = filled + padding(burst.padding)
        return Run(buffers, size + burst.padding, count, burst.padding > 0, burst.may_fragment)

    def _single(self, first: int, extension: int, body: bytes, *, now: float) -> Run:
        packet = self._header(first, extension, self.sender.half.next & 0xFFFF, now=now) + body
        return Run([packet], len(packet), 1)

    def _header(self, first: int, extension: int, sequence: int, *, now: float) -> bytes:
        self._sent_at = now
        receiving = self.receiving
        self._advertised = window = receiving.window
        difference = self._difference_us
        acked = receiving.expected - 1 & 0xFFFF
        return HEADER.pack(first, extension, self.send_id, timestamp_us(now=now), difference, window, sequence, acked)


CONFIRM_S = 1.0  # the side that dialled says again that it has heard the answer, as long as it hears nothing more …
MOST_CONFIRMS = 3  # … but libtorrent does not answer to that, and need not
