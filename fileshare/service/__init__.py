"""The application without a face: what views (the command line, later a REST API and a page) have in common.

Nothing in it prints, reads a terminal, or knows a command's options. A module loads when a name of it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.public import public_names

if TYPE_CHECKING:
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

_MODULES = {
    "EndReason": "fileshare.service.jobs",
    "JobOptions": "fileshare.service.options",
    "JobSnapshot": "fileshare.service.snapshots",
    "JobState": "fileshare.service.jobs",
    "NetworkOptions": "fileshare.service.network_options",
    "Service": "fileshare.service.service",
    "ServiceConfig": "fileshare.service.config",
    "Source": "fileshare.service.resolve",
}

__getattr__, __dir__ = public_names(__name__, _MODULES)
