"""The states of BBR version 3, what leads from one to another, and how fast and how much is sent in each: as tables.

docs/reference/bbr-states.md shows them; `python -m tests.bbr_states` draws them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What the sender is trying to find out. The value is what `Bbr.state` says."""

    STARTUP = "startup"  # how fast is the path? doubles each round
    DRAIN = "drain"  # lets the queue go that the start left behind
    DOWN = "probe down"  # slower than the path, until there is room for others
    CRUISE = "probe cruise"  # as fast as the path, most of the time
    REFILL = "probe refill"  # one round at full rate, so that the pipe is full before more is tried
    UP = "probe up"  # is there more to be had?
    PROBE_RTT = "probe rtt"  # how long is the path when nobody queues?


class Event(Enum):
    """What is found out. The value says it in the past tense."""

    PIPE_FILLED = "bandwidth grew no more for three rounds, or too much was lost"
    DRAINED = "the queue was drained, or three rounds had passed"
    ROOM_LEFT = "the queue was drained, with room left for others"
    PROBE_DUE = "it was time to look for bandwidth"
    PROBE_SAFE = "a careful look did no harm"
    REFILLED = "a round had passed"
    BANDWIDTH_FOUND = "bandwidth grew no more"
    LIMIT_REACHED = "the look got to what was too much the last time"
    LOST_TOO_MUCH = "too much was lost or marked"
    RTT_STALE = "no round trip was this short for 5 s"
    RTT_MEASURED = "200 ms and a round at half the window had passed"
    RTT_MEASURED_EARLY = "200 ms and a round at half the window had passed, and the pipe had never been full"
    STARTUP_UNDONE = "the loss that ended the start was none"
    PROBE_UNDONE = "the loss that ended the look for bandwidth was none"


class Cap(Enum):
    """What bounds the window in a state, beside the short-term limit that is none while probing."""

    NONE = "none"
    LONGTERM = "inflight_longterm"
    HEADROOM = "inflight_longterm without headroom"


@dataclass(frozen=True, slots=True)
class Control:
    """How a state sends: faster or slower than the path delivers, and how much may be on its way."""

    tactic: str
    pacing_gain: float
    cwnd_gain: float
    cap: Cap


# draft-ietf-ccwg-bbr, "Summary of Control Behavior in the State Machine". In DRAIN the draft's pseudocode has no cap,
# its table has one; the table is followed: a start that ended by loss has just measured the cap.
CONTROL: Mapping[State, Control] = {
    State.STARTUP: Control("accelerate", 2.77, 2.0, Cap.NONE),  # 4 ln 2
    State.DRAIN: Control("decelerate", 0.5, 2.0, Cap.LONGTERM),
    State.DOWN: Control("decelerate", 0.90, 2.0, Cap.LONGTERM),
    State.CRUISE: Control("cruise", 1.0, 2.0, Cap.HEADROOM),
    State.REFILL: Control("accelerate", 1.0, 2.0, Cap.LONGTERM),
    State.UP: Control("accelerate", 1.25, 2.25, Cap.LONGTERM),
    State.PROBE_RTT: Control("decelerate", 1.0, 0.5, Cap.HEADROOM),
}

CYCLE = (State.DOWN, State.CRUISE, State.REFILL, State.UP)  # ProbeBW, where a flow spends its life
PROBING = (State.STARTUP, State.REFILL, State.UP)  # where losses are expected, and short-term limits are not set

_STALE = {Event.RTT_STALE: State.PROBE_RTT}
_UNDONE = {Event.STARTUP_UNDONE: State.STARTUP, Event.PROBE_UNDONE: State.REFILL}

TABLE: Mapping[State, Mapping[Event, State]] = {
    State.STARTUP: {**_STALE, Event.PIPE_FILLED: State.DRAIN},
    State.DRAIN: {**_STALE, Event.DRAINED: State.DOWN, Event.STARTUP_UNDONE: State.STARTUP},
    State.DOWN: {
        **_STALE,
        **_UNDONE,
        Event.ROOM_LEFT: State.CRUISE,
        Event.PROBE_DUE: State.REFILL,
        Event.PROBE_SAFE: State.REFILL,
    },
    State.CRUISE: {**_STALE, **_UNDONE, Event.PROBE_DUE: State.REFILL, Event.PROBE_SAFE: State.REFILL},
    State.REFILL: {**_STALE, **_UNDONE, Event.REFILLED: State.UP},
    State.UP: {
        **_STALE,
        Event.STARTUP_UNDONE: State.STARTUP,
        Event.BANDWIDTH_FOUND: State.DOWN,
        Event.LIMIT_REACHED: State.DOWN,
        Event.LOST_TOO_MUCH: State.DOWN,
    },
    State.PROBE_RTT: {Event.RTT_MEASURED: State.CRUISE, Event.RTT_MEASURED_EARLY: State.STARTUP},
}
