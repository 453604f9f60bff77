"""The clocks of `time` and `datetime`: virtual time, in UTC on every machine."""

from __future__ import annotations

import calendar
import datetime
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transfer.simulation.errors import NotSimulatedError
from transfer.simulation.process.inside import World, inside
from transfer.simulation.process.replacing import Replacement, replaced_in_type, replacement

EPOCH_S = 1_577_836_800  # 2020-01-01 00:00:00 UTC: when virtual time begins for programs that ask for a date


def date_s(world: World) -> float:
    """Seconds since 1970, as virtual time has it."""
    return EPOCH_S + world.now_us / 1e6


def _date_ns(world: World) -> int:
    return EPOCH_S * 10**9 + world.now_us * 1000


def _span_s(world: World) -> float:
    return world.now_us / 1e6


def _span_ns(world: World) -> int:
    return world.now_us * 1000


def _clock_gettime_ns(world: World, clock: int, /) -> int:
    if clock in DATE_CLOCKS:
        return _date_ns(world)
    if clock in SPAN_CLOCKS:
        return _span_ns(world)
    raise NotSimulatedError(f"time.clock_gettime({clock!r})", "use one of the clocks that module time names")


def _clock_gettime(world: World, clock: int, /) -> float:
    return _clock_gettime_ns(world, clock) / 1e9


def _no_clock_settime(world: World, *args: Any) -> None:
    raise NotSimulatedError("time.clock_settime()", "the clock is virtual and moves by itself")


def _sleep(world: World, seconds: float, /) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    world.loop.hold(round(seconds * 1e6))


def _gmtime(world: World, seconds: float | None = None, /) -> time.struct_time:
    return _real_gmtime(date_s(world) if seconds is None else seconds)


def _ctime(world: World, seconds: float | None = None, /) -> str:
    return _real_asctime(_gmtime(world, seconds))


def _asctime(world: World, moment: Any = None, /) -> str:
    return _real_asctime(_gmtime(world) if moment is None else moment)


def _strftime(world: World, text: str, moment: Any = None, /) -> str:
    text = re.sub("%%|%[Zz]", lambda found: {"%Z": "UTC", "%z": "+0000"}.get(found[0], found[0]), text)
    return _real_strftime(text, _gmtime(world) if moment is None else moment)


def _mktime(world: World, moment: Any, /) -> float:
    return float(calendar.timegm(moment))


def _tzset(world: World) -> None:
    """There is one time zone."""


def _replacements() -> list[Replacement]:
    simulated: dict[str, Callable[..., Any]] = {
        "time": date_s,
        "time_ns": _date_ns,
        "clock_gettime": _clock_gettime,
        "clock_gettime_ns": _clock_gettime_ns,
        "clock_settime": _no_clock_settime,
        "clock_settime_ns": _no_clock_settime,
        "sleep": _sleep,
        "gmtime": _gmtime,
        "localtime": _gmtime,
        "ctime": _ctime,
        "asctime": _asctime,
        "strftime": _strftime,
        "mktime": _mktime,
        "tzset": _tzset,
    }
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        simulated |= {name: _span_s, f"{name}_ns": _span_ns}
    return [found for name, function in simulated.items() for found in replacement(time, name, function)]


# Dates. The methods of `datetime` that read the clock or the time zone of the machine are written in C and call nothing
# that could be replaced.


def _now(cls: Any, tz: datetime.tzinfo | None = None) -> Any:
    world = inside()
    if world is None:
        return _NOW.__get__(None, cls)(tz)
    return _from_timestamp(cls, date_s(world), tz)


def _utcnow(cls: Any) -> Any:
    world = inside()
    return _UTCNOW.__get__(None, cls)() if world is None else _from_timestamp(cls, date_s(world))


def _from_timestamp(cls: Any, timestamp: float, tz: datetime.tzinfo | None = None) -> Any:
    if inside() is None or tz is not None:
        return _FROM_TIMESTAMP.__get__(None, cls)(timestamp, tz)
    return _FROM_TIMESTAMP.__get__(None, cls)(timestamp, datetime.UTC).replace(tzinfo=None)


def _date_from_timestamp(cls: Any, timestamp: float, /) -> Any:
    if inside() is None:
        return _DATE_FROM_TIMESTAMP.__get__(None, cls)(timestamp)
    moment = _real_gmtime(timestamp)
    return cls(moment.tm_year, moment.tm_mon, moment.tm_mday)


def _date_today(cls: Any) -> Any:
    world = inside()
    return _DATE_TODAY.__get__(None, cls)() if world is None else cls.fromtimestamp(date_s(world))


def _as_timezone(self: Any, tz: datetime.tzinfo | None = None) -> Any:
    if inside() is not None:
        if self.utcoffset() is None:
            self = self.replace(tzinfo=datetime.UTC)
        tz = tz if tz is not None else datetime.UTC
    return _AS_TIMEZONE(self, tz)


def _timestamp(self: Any) -> Any:
    if inside() is not None and self.utcoffset() is None:
        self = self.replace(tzinfo=datetime.UTC)
    return _TIMESTAMP(self)


@contextmanager
def virtual_dates() -> Iterator[None]:
    """`datetime.now()` and its family, for the time of the block."""
    of_datetime = {
        "now": classmethod(_now),
        "utcnow": classmethod(_utcnow),
        "fromtimestamp": classmethod(_from_timestamp),
        "astimezone": _as_timezone,
        "timestamp": _timestamp,
    }
    of_date = {"fromtimestamp": classmethod(_date_from_timestamp), "today": classmethod(_date_today)}
    with replaced_in_type(datetime.datetime, of_datetime), replaced_in_type(datetime.date, of_date):
        yield


_real_gmtime, _real_asctime, _real_strftime = time.gmtime, time.asctime, time.strftime
_NOW: Any = datetime.datetime.__dict__["now"]
_UTCNOW: Any = datetime.datetime.__dict__["utcnow"]
_FROM_TIMESTAMP: Any = datetime.datetime.__dict__["fromtimestamp"]
_AS_TIMEZONE: Any = datetime.datetime.__dict__["astimezone"]
_TIMESTAMP: Any = datetime.datetime.__dict__["timestamp"]
_DATE_FROM_TIMESTAMP: Any = datetime.date.__dict__["fromtimestamp"]
_DATE_TODAY: Any = datetime.date.__dict__["today"]
DATE_CLOCKS = frozenset(
    getattr(time, name) for name in ("CLOCK_REALTIME", "CLOCK_TAI", "CLOCK_REALTIME_COARSE") if hasattr(time, name)
)
SPAN_CLOCKS = frozenset(getattr(time, name) for name in dir(time) if name.startswith("CLOCK_")) - DATE_CLOCKS
REPLACEMENTS = _replacements()
