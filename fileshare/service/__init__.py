"""The application without a face: what views (the command line, later a REST API and a page) have in common.

Nothing in it prints, reads a terminal, or knows a command's options.
"""

from __future__ import annotations

from fileshare.service.config import ServiceConfig
from fileshare.service.jobs import EndReason, JobState
from fileshare.service.network_options import NetworkOptions
from fileshare.service.options import JobOptions
from fileshare.service.resolve import Source
from fileshare.service.service import Service
from fileshare.service.snapshots import JobSnapshot

__all__ = [
    "EndReason",
    "JobOptions",
    "JobSnapshot",
    "JobState",
    "NetworkOptions",
    "Service",
    "ServiceConfig",
    "Source",
]
