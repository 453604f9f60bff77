"""Bounds of one yamux connection."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.muxing.yamux.frames import INITIAL_WINDOW_BYTES, MAX_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class YamuxConfig:
    """How much one connection may take, and how long things may last. How many streams: `StreamLimitConfig`.

    Attributes:
        max_stream_window_bytes: a stream whose reader keeps up may be sent so much ahead (go-yamux: 16 MiB).
        max_session_window_bytes: no window grows when those of all streams would come to more. Each begins with
            256 KiB, which the specification grants without being asked.
        max_frame_bytes: the most payload of one frame that we send while other streams wait for their turn.
        max_lone_frame_bytes: the same while only one stream has something to send.
        max_unacknowledged: so many streams may we open before the other side takes one of them.
        accept_backlog: so many streams of the other side may wait to be accepted; one more is reset.
        keep_alive_s: how often the other side is asked whether it is there, which measures the round trip as well,
            the first time at once. None: only when somebody wants to know (`probe`); until then no window grows.
        keep_alive_timeout_s: after so long without an answer, and without anything else, the connection has ended.
        close_timeout_s: a stream that we have closed is reset when the other side has not closed it after so long.
        max_idle_frames: so many frames at once may move nothing (pings, resets, refused streams, frames for streams
            that are not there, empty ones).
        idle_frames_per_s: and so many in the long run.
        max_answers_waiting: so many pings and refused streams may wait for the other side to read their answers.
    """

    max_stream_window_bytes: int = 16 << 20
    max_session_window_bytes: int = 64 << 20
    max_frame_bytes: int = 64 << 10
    max_lone_frame_bytes: int = 256 << 10
    max_unacknowledged: int = 256
    accept_backlog: int = 256
    keep_alive_s: float | None = 30.0
    keep_alive_timeout_s: float = 10.0
    close_timeout_s: float = 60.0
    max_idle_frames: int = 16_384
    idle_frames_per_s: float = 2_000.0
    max_answers_waiting: int = 1_024

    def __post_init__(self) -> None:
        if not INITIAL_WINDOW_BYTES <= self.max_stream_window_bytes <= MAX_VALUE:
            raise ValueError(f"max_stream_window_bytes must be from {INITIAL_WINDOW_BYTES} to {MAX_VALUE}")
        if not 1 <= self.max_frame_bytes <= self.max_lone_frame_bytes <= MAX_VALUE:
            raise ValueError("max_frame_bytes must be positive and not above max_lone_frame_bytes")
        counts = (self.max_unacknowledged, self.accept_backlog, self.max_idle_frames, self.max_answers_waiting)
        if min(counts) < 1 or self.max_session_window_bytes < 0:
            raise ValueError("counts must be positive, and max_session_window_bytes not negative")
        times = (self.keep_alive_timeout_s, self.close_timeout_s, self.idle_frames_per_s)
        if min(times) <= 0 or (self.keep_alive_s is not None and self.keep_alive_s <= 0):
            raise ValueError("times and rates must be positive")
