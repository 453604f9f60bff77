"""Two yamux sessions and the bytes between them, moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from transfer.limits.streams import StreamLimits
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.session import YamuxSession
from transfer.muxing.yamux.stream import YamuxStream

QUIET = YamuxConfig(keep_alive_s=None)


@dataclass
class Side:
    """One session, and a program that accepts every stream.

    Attributes:
        accepted: streams of the other side, in their order.
        on_way: what was sent and has not arrived.
    """

    session: YamuxSession
    accepted: list[YamuxStream] = field(default_factory=list)
    on_way: bytearray = field(default_factory=bytearray)

    def open(self) -> YamuxStream:
        return self.session.open_stream(now=0.0)


class YamuxPair:
    """The dialling side and the listening side, at one time."""

    def __init__(self, config: YamuxConfig = QUIET, *, limits: StreamLimits | None = None) -> None:
        self.now = 0.0
        self.dialler = Side(YamuxSession(is_initiator=True, config=config, now=0.0))
        self.listener = Side(YamuxSession(is_initiator=False, config=config, limits=limits, now=0.0))

    def other(self, side: Side) -> Side:
        return self.listener if side is self.dialler else self.dialler

    def send(self, side: Side, most: int = 1 << 30) -> int:
        """Puts what a side has to send on its way."""
        before = len(side.on_way)
        side.on_way += b"".join(side.session.data_to_send(most))
        return len(side.on_way) - before

    def arrive(self, side: Side, most: int = 1 << 30) -> int:
        """Lets so many bytes of a side arrive at the other."""
        data = bytes(side.on_way[:most])
        del side.on_way[:most]
        other = self.other(side)
        if data:
            other.session.receive_data(data, now=self.now)
        for stream in other.session.take_opened():
            if not stream.is_over:
                stream.accept()
                other.accepted.append(stream)
        other.session.take_touched()
        return len(data)

    def run(self, cut: int = 1 << 30) -> None:
        """Moves everything that can be moved."""
        moved = True
        while moved:
            moved = False
            for side in (self.dialler, self.listener):
                moved = bool(self.send(side) + self.arrive(side, cut)) or moved
                while side.on_way:
                    self.arrive(side, cut)
        self.check_invariants()

    def pair(self) -> tuple[YamuxStream, YamuxStream]:
        """A stream of the dialler, and its other end."""
        ours = self.dialler.open()
        self.run()
        return ours, self.listener.accepted[-1]

    def read(self, stream: YamuxStream, most: int = 1 << 30) -> bytes:
        return stream.read(most, now=self.now)

    def check_invariants(self) -> None:
        self.dialler.session.check_invariants()
        self.listener.session.check_invariants()
