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
from transfer.simulation.lab.config import LabChange, LabConfig, LabFlow, LabOutage
from transfer.simulation.lab.report import FlowReport, FlowSample, LabReport, jain
from transfer.simulation.lab.run import run_lab
from transfer.simulation.link import LatencyModel, Link, LinkModel
from transfer.simulation.loop import SimulationLoop
from transfer.simulation.nat import Firewall, Nat, NatKind
from transfer.simulation.runner import Report, Run, RunConfig, Scenario, run, scenario
from transfer.simulation.simulation import Simulation
from transfer.simulation.storage import DiskStorage
from transfer.simulation.streams import SimulatedStreamConfig
from transfer.simulation.workloads import (
    SESSIONS_DEBIAN,
    SESSIONS_FLATOUT,
    SESSIONS_RED_HAT,
    Churn,
    FixedLatency,
    LogNormalLatency,
    MatrixLatency,
    Weibull,
)

__all__ = [
    "SESSIONS_DEBIAN",
    "SESSIONS_FLATOUT",
    "SESSIONS_RED_HAT",
    "BlackHole",
    "Churn",
    "Clog",
    "Crash",
    "DeadlockError",
    "Disk",
    "DiskConfig",
    "DiskStorage",
    "Firewall",
    "FixedLatency",
    "FlowReport",
    "FlowSample",
    "Host",
    "LabChange",
    "LabConfig",
    "LabFlow",
    "LabOutage",
    "LabReport",
    "LatencyModel",
    "LeakError",
    "Link",
    "LinkModel",
    "LivelockError",
    "LogNormalLatency",
    "MatrixLatency",
    "Nat",
    "NatKind",
    "NotSimulatedError",
    "Partition",
    "Report",
    "Run",
    "RunConfig",
    "Scenario",
    "SimulatedStreamConfig",
    "Simulation",
    "SimulationError",
    "SimulationLoop",
    "TimeLimitError",
    "UnhandledError",
    "Weibull",
    "jain",
    "run",
    "run_lab",
    "scenario",
]
