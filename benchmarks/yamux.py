"""What yamux costs without what carries it: two sessions in one process that hand each other their bytes.

Run with `python -m benchmarks.yamux [--mib 1024] [--runs 5] [--profile]`. Each case sends through one session and reads
from the other; "joined" is what Python takes to join and cut the same bytes without a session, which each row includes.
`--profile` prints where the time of the first and of the last case goes.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from dataclasses import dataclass
from statistics import median

from transfer import YamuxConfig, YamuxSession, YamuxStream

RECORD_BYTES = 65_519  # what a message of Noise carries


@dataclass(frozen=True, slots=True)
class Case:
    """How bytes are written, and how they arrive.

    Attributes:
        write_bytes: of each write.
        streams: that share the connection.
        frame_bytes: the most in one frame.
    """

    name: str
    write_bytes: int
    streams: int = 1
    frame_bytes: int = 64 << 10


CASES = (
    Case("one stream, 1 MiB a write, frames of 64 KiB", 1 << 20),
    Case("one stream, 1 MiB a write, frames of 256 KiB", 1 << 20, frame_bytes=256 << 10),
    Case("one stream, 16 KiB a write", 16 << 10),
    Case("100 streams, 64 KiB a write", 64 << 10, streams=100),
    Case("one stream, 32 bytes a write, each a frame", 32),
)


def run(case: Case, total_bytes: int) -> tuple[float, int]:
    """Sends that much; returns the seconds and the number of frames."""
    config = YamuxConfig(max_lone_frame_bytes=max(case.frame_bytes, 64 << 10))
    sender = YamuxSession(is_initiator=True, config=config, now=0.0)
    receiver = YamuxSession(is_initiator=False, config=config, now=0.0)
    streams = [sender.open_stream(now=0.0) for _ in range(case.streams)]
    data = bytes(case.write_bytes)
    received = frames = 0
    now = 0.0
    frame_bytes = min(case.write_bytes, case.frame_bytes)
    started_at = time.perf_counter()
    while received < total_bytes:
        out: list[bytes | memoryview] = []
        if case.write_bytes < 1000:  # each write is a frame: it is flushed at once, and what is below joins them
            for _ in range(RECORD_BYTES // (case.write_bytes + 12)):
                streams[0].write(data)
                out += sender.data_to_send()
        else:
            for stream in streams:
                if stream.queue.size < case.write_bytes:
                    stream.write(data)
            out = sender.data_to_send()
        joined = b"".join(out)
        now += len(joined) / 1e9
        for at in range(0, len(joined), RECORD_BYTES):
            receiver.receive_data(joined[at : at + RECORD_BYTES], now=now)
            received += take(receiver, now)
        if answer := b"".join(receiver.data_to_send()):
            sender.receive_data(answer, now=now)
            sender.take_touched()
    frames = received // frame_bytes
    return time.perf_counter() - started_at, frames


def take(session: YamuxSession, now: float) -> int:
    """Reads everything that has arrived, as asyncio's shell does."""
    for stream in session.take_opened():
        stream.accept()
    return sum(read(stream, now) for stream in session.take_touched())


def read(stream: YamuxStream, now: float) -> int:
    inbox, size = stream.inbox, 0
    while inbox.size:
        data = inbox.take_first()
        stream.consume(len(data), now=now)
        size += len(data)
    return size


def joined_only(total_bytes: int) -> float:
    """Joins and cuts the same bytes."""
    piece = memoryview(bytes(64 << 10))
    started_at = time.perf_counter()
    for _ in range(max(1, total_bytes // (256 << 10))):
        joined = b"".join([piece, piece, piece, piece])
        for at in range(0, len(joined), RECORD_BYTES):
            joined[at : at + RECORD_BYTES]
    return time.perf_counter() - started_at


def profile(case: Case, total_bytes: int) -> None:
    """Prints where the time goes."""
    print(f"\n{case.name}")
    profiler = cProfile.Profile()
    profiler.runcall(run, case, total_bytes)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(14)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.yamux", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    total = options.mib << 20
    print(f"{options.mib} MiB, {options.runs} runs, median                    MB/s      frames/s   us a frame")
    bare_s = median(joined_only(total) for _ in range(options.runs))
    print(f"{'joined':46} {total / bare_s / 1e6:8,.0f}")
    for case in CASES:
        size = total if case.write_bytes >= 1000 else total // 64
        samples = [run(case, size) for _ in range(options.runs)]
        seconds = median(sample[0] for sample in samples)
        frames = samples[0][1]
        rates = f"{size / seconds / 1e6:8,.0f} {frames / seconds:13,.0f} {seconds / frames * 1e6:12.1f}"
        print(f"{case.name:46} {rates}")
    if options.profile:
        profile(CASES[0], total)
        profile(CASES[-1], total // 64)


if __name__ == "__main__":
    main()
