"""Why a muxed connection, or one of its streams, ended or was not opened."""

from __future__ import annotations

from transfer.errors import RemoteProtocolError, TransferError


class MuxerError(RemoteProtocolError):
    """A muxed connection ended through a fault of the other side. Root of the family."""


class FrameError(MuxerError):
    """A frame that is none, or that must not come now."""


class WindowExceededError(FrameError):
    """More data than the other side was allowed to send."""


class FloodError(MuxerError):
    """The other side makes work and moves nothing: pings, resets, frames for streams that are not there."""


class KeepAliveError(MuxerError, TimeoutError):
    """The other side has not answered a ping, and said nothing else either."""


class GoAwayError(MuxerError):
    """The other side ended the connection because of an error.

    Attributes:
        code: the reason; 1 is a protocol error, 2 an internal one.
    """

    def __init__(self, code: int) -> None:
        reason = {1: "a protocol error", 2: "an internal error"}.get(code, f"the reason {code}")
        super().__init__(f"the other side went away because of {reason}")
        self.code = code


class StreamResetError(TransferError, ConnectionResetError):
    """A stream ended before both sides had said their last word.

    Attributes:
        code: the reason that the other side gave; 0 without one.
    """

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class MuxerClosedError(TransferError, ConnectionError):
    """No stream can be opened: the connection is closing, or lost, or the other side takes no more."""
