"""What a process has used so far."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path


def cpu_s() -> float:
    """CPU seconds of this process, all its threads, in user and in kernel mode."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_rss_bytes() -> int:
    """The most memory this process ever held. On Linux `ru_maxrss` would count the parent's at the time of the fork."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
