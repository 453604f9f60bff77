"""Any asyncio program in deterministic virtual time: thousands of hosts in one process, one seed, one run."""

from transfer.simulation.disk import Disk, DiskConfig
from transfer.simulation.errors import (
    DeadlockError,
    LeakError,
    LivelockError,
    NotSimulatedError,
    SimulationError,
    TimeLimitError,
    UnhandledError,
)
from transfer.simulation.faults import BlackHole, Clog, Crash, Partition
from transfer.simulation.host import Host
from transfer.simulation.link import LatencyModel, Link
from transfer.simulation.loop import SimulationLoop
from transfer.simulation.nat import Firewall, Nat, NatKind
from transfer.simulation.runner import Report, Run, RunConfig, Scenario, run, scenario
from transfer.simulation.simulation import Simulation
from transfer.simulation.storage import DiskStorage
from transfer.simulation.streams import StreamConfig

__all__ = [
    "BlackHole",
    "Clog",
    "Crash",
    "DeadlockError",
    "Disk",
    "DiskConfig",
    "DiskStorage",
    "Firewall",
    "Host",
    "LatencyModel",
    "LeakError",
    "Link",
    "LivelockError",
    "Nat",
    "NatKind",
    "NotSimulatedError",
    "Partition",
    "Report",
    "Run",
    "RunConfig",
    "Scenario",
    "Simulation",
    "SimulationError",
    "SimulationLoop",
    "StreamConfig",
    "TimeLimitError",
    "UnhandledError",
    "run",
    "scenario",
]
