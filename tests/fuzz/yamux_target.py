"""Fuzzing a yamux session: a hostile peer that knows the frames, and a program that reads, writes, ends and resets."""

from __future__ import annotations

from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.refusal import LimitReachedError
from transfer.limits.streams import StreamLimitConfig, StreamLimits
from transfer.muxing.errors import MuxerClosedError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import ACK, DATA, FIN, GO_AWAY, HEADER, PING, RST, SYN, WINDOW_UPDATE
from transfer.muxing.yamux.session import YamuxSession
from transfer.muxing.yamux.stream import YamuxStream

CONFIG = YamuxConfig(
    max_stream_window_bytes=1 << 20,
    max_session_window_bytes=3 << 20,
    max_frame_bytes=700,
    max_lone_frame_bytes=5000,
    max_unacknowledged=3,
    accept_backlog=2,
    max_idle_frames=60,
    idle_frames_per_s=10,
    max_answers_waiting=10,
)
MAX_INBOUND, MAX_OUTBOUND = 4, 3
KINDS = (DATA, DATA, DATA, WINDOW_UPDATE, WINDOW_UPDATE, PING, GO_AWAY, 7)
FLAGS = (0, 0, 0, SYN, SYN, ACK, FIN, RST)
NUMBERS = (1, 3, 5, 7, 2, 4, 0, 1001)
VALUES = (0, 1, 5, 300, 60_000, 262_144, 262_145, 0xFFFFFFFF)


def run_yamux(data: bytes) -> str:
    """Takes a script of frames, whole or cut, and of what the program does. Whatever comes, it keeps its bounds."""
    scope = Scope(ScopeKind.CONNECTION, "connection")
    limits = StreamLimits(scope, StreamLimitConfig(max_inbound=MAX_INBOUND, max_outbound=MAX_OUTBOUND))
    session = YamuxSession(is_initiator=False, config=CONFIG, limits=limits, now=0.0)
    streams: list[YamuxStream] = []
    now, at, sent, taken = 0.0, 0, 0, 0
    while at < len(data):
        op, size = data[at], data[at + 1] if at + 1 < len(data) else 0
        at += 2
        match op & 7:
            case 0:
                session.receive_data(data[at : at + size], now=now)
                at += size
            case 1 | 2 | 3:
                kind, flags, number = KINDS[op >> 3 & 7], FLAGS[size & 7], NUMBERS[size >> 3 & 7]
                value = VALUES[op >> 5 & 3 | size >> 4 & 4]
                payload = bytes(min(value, 65_536)) if kind == DATA else b""
                frame = HEADER.pack(0, kind, flags, number, value) + payload
                cut = size if op & 64 else len(frame)
                session.receive_data(frame[:cut], now=now)
                session.receive_data(frame[cut:], now=now)
            case 4:
                sent += sum(map(len, session.data_to_send(size << 6)))
            case 5:
                now += size * size / 500
                if (due := session.next_timer()) is not None and due <= now:
                    session.handle_timer(now=now)
            case 6:
                try:
                    stream = session.open_stream(now=now)
                    stream.write(bytes(size << 4))
                    streams.append(stream)
                except (LimitReachedError, MuxerClosedError):
                    pass
            case _:
                taken += _act(session, streams, op >> 3, size, now)
        _check(session)
    if session.is_closed:
        assert scope.is_empty
    counts = session.stats()
    numbers = (counts.inbound + counts.outbound, counts.refused, counts.idle_frames // 8, counts.unread_bytes >> 16)
    why = "" if session.error is None else "".join(each for each in str(session.error) if not each.isdigit())
    return f"{why} " + " ".join(str(each.bit_length()) for each in (*numbers, sent >> 12, taken >> 12))


def _act(session: YamuxSession, streams: list[YamuxStream], what: int, size: int, now: float) -> int:
    """What the program does to one stream; returns how many bytes it has read."""
    streams += session.take_opened()
    session.take_touched()
    if not streams:
        return 0
    stream = streams[size % len(streams)]
    match what & 7:
        case 0 | 1:
            stream.accept()
        case 2:
            return len(stream.read(size << 8, now=now))
        case 3:
            if not stream.is_ending:
                stream.write(bytes(size << 8))
        case 4:
            stream.end()
        case 5:
            stream.close(now=now)
        case 6:
            stream.reset()
        case _ if size > 250:
            session.close()
        case _:
            pass
    return 0


def _check(session: YamuxSession) -> None:
    session.check_invariants()
    stats = session.stats()
    assert stats.inbound <= MAX_INBOUND
    assert stats.outbound <= MAX_OUTBOUND
    assert stats.unread_bytes <= stats.window_bytes <= CONFIG.max_session_window_bytes
    outgoing = session.outgoing
    assert max(len(outgoing.listed), len(outgoing.ready)) <= MAX_INBOUND + MAX_OUTBOUND
    assert len(outgoing._pongs) <= CONFIG.max_answers_waiting
    assert len(outgoing._resets) <= CONFIG.max_answers_waiting + MAX_INBOUND + MAX_OUTBOUND
    assert "\n" not in str(session.error)


def yamux_seeds() -> list[bytes]:
    opened = b"\x19\x03\x07\x00"  # stream 1, accepted
    data = b"\x29\x00\x21\x00\x61\x00"
    read, write, send = b"\x17\xff", b"\x1f\xff", b"\x04\xff"
    many = b"".join(bytes((0x19, number << 3 | 3)) + b"\x07\x00" for number in range(4))
    raw = HEADER.pack(0, WINDOW_UPDATE, SYN, 1, 0) + HEADER.pack(0, DATA, 0, 1, 4) + b"abcd"
    cut = bytes((0, len(raw))) + raw
    ends = [b"\x27\x00", b"\x2f\x00", b"\x37\x00", b"\x3f\xff"]
    return [
        opened + data * 3 + read + send,
        *(opened + data + end + send + data for end in ends),
        many + data + read + write + send,
        cut + read,
        b"\x06\x20\x06\x21" + send + b"\x19\x25" + write,
        b"\x29\x03" * 20,
        b"\x05\xff\x05\xff" + opened,
        bytes((0x2A, 0x07)) * 30,
    ]
