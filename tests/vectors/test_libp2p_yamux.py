"""yamux frames as js-libp2p, go-libp2p and py-libp2p send and expect them; the file names their source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.yamux_pair import QUIET
from transfer.muxing.errors import GoAwayError
from transfer.muxing.yamux.frames import FIN, HEADER, PING, RST, SYN, WINDOW_UPDATE, go_away, ping, window_update
from transfer.muxing.yamux.session import YamuxSession

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "libp2p_yamux.json").read_text(encoding="utf-8"))
FRAMES: dict[str, bytes] = {name: bytes.fromhex(text) for name, text in VECTORS["frames"].items()}


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
@pytest.mark.parametrize("peer", VECTORS["transcripts"])
def test_recorded_connections_come_out_to_the_byte(peer: str, cut: int) -> None:
    """We do what the recorded dialler did, but for window updates, which it sent after each read."""
    session = YamuxSession(is_initiator=True, config=QUIET, now=0.0)
    sent, expected, received, arrived = b"", b"", b"", b""
    for line in VECTORS["transcripts"][peer]["frames"]:
        direction, text = line.split()
        frame = bytes.fromhex(text)
        _, kind, flags, number, value = HEADER.unpack_from(frame)
        if direction == "in":
            for at in range(0, len(frame), cut):
                session.receive_data(frame[at : at + cut], now=0.0)
            if kind == 0:
                arrived += frame[12:]
            if number in session.table.streams:
                received += session.table.streams[number].read(1 << 20, now=0.0)
            continue
        if kind == WINDOW_UPDATE and not flags:
            continue
        expected += frame
        if kind == PING:
            if flags & SYN:
                session.outgoing.ping(value)
        elif flags & SYN:
            assert session.open_stream(now=0.0).number == number
        elif flags & FIN:
            session.table.streams[number].end()
        elif flags & RST:
            session.table.streams[number].reset()
        else:
            session.table.streams[number].write(frame[12:])
        sent += b"".join(session.data_to_send())
        session.check_invariants()
    assert sent == expected
    assert received == arrived
    assert session.error is None
    assert list(session.table.streams) == [5]  # the other side has ended it, and we have not
    assert session.table.streams[5].has_ended


def test_each_frame_is_written_as_it_was_recorded() -> None:
    assert window_update(1, flags=SYN) == FRAMES["open_stream_1"]
    assert window_update(1, 20) == FRAMES["window_update_20_on_1"]
    assert window_update(1, flags=FIN) == FRAMES["close_stream_1"]
    assert window_update(1, flags=RST) == FRAMES["reset_stream_1"]
    assert ping(7) == FRAMES["ping_request_7"]
    assert ping(7, is_answer=True) == FRAMES["ping_reply_7"]
    names = ("goaway_normal", "goaway_protocol_error", "goaway_internal")
    assert [go_away(code) for code in range(3)] == [FRAMES[name] for name in names]


def test_what_is_recorded_is_said_and_understood() -> None:
    dialler = YamuxSession(is_initiator=True, config=QUIET, now=0.0)
    listener = YamuxSession(is_initiator=False, config=QUIET, now=0.0)
    dialler.open_stream(now=0.0)
    opening = b"".join(dialler.data_to_send())
    assert opening == FRAMES["open_stream_1"]
    listener.receive_data(opening, now=0.0)
    (theirs,) = listener.take_opened()
    theirs.accept()
    theirs.write(b"abc")
    assert b"".join(listener.data_to_send()) == FRAMES["ack_stream_1"] + FRAMES["data_3_on_1"]
    early = dialler.open_stream(now=0.0)
    early.write(b"abc")
    first = b"".join(dialler.data_to_send())
    assert first == FRAMES["data_with_syn"]
    listener.receive_data(first, now=0.0)
    (second,) = listener.take_opened()
    assert second.read(10, now=0.0) == b"abc"
    listener.receive_data(FRAMES["data_with_fin"], now=0.0)
    assert second.read(10, now=0.0) == b"abc"
    assert second.has_ended
    listener.receive_data(FRAMES["ping_request_7"], now=0.0)
    assert b"".join(listener.data_to_send()) == FRAMES["ping_reply_7"]
    dialler.close()
    early.reset()
    dialler.table.streams[1].reset()
    dialler.data_to_send()
    assert dialler.is_closed


@pytest.mark.parametrize(("name", "code"), [("goaway_protocol_error", 1), ("goaway_internal", 2)])
def test_going_away_because_of_an_error_ends_the_session(name: str, code: int) -> None:
    session = YamuxSession(is_initiator=True, config=QUIET, now=0.0)
    session.receive_data(FRAMES[name], now=0.0)
    assert isinstance(session.error, GoAwayError)
    assert session.error.code == code
