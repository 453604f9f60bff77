"""What the service cannot do. The texts name no option of a command: which one helps is for a view to say."""

from __future__ import annotations

from pathlib import Path

from transfer import Address, TransferError


class ServiceError(TransferError):
    """The service could not do what was asked for, for a reason that no library below knows of."""


class ListenError(ServiceError):
    """An address that was asked for cannot be listened on; `reason` is what the system says."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(f"cannot listen on {address}: {reason}")
        self.address = address
        self.reason = reason


class NoFreePortError(ServiceError):
    """No address was asked for, and none could be had on `host`."""

    def __init__(self, host: str) -> None:
        super().__init__(f"cannot find a free port on {host}")
        self.host = host


class NotKeptError(ServiceError):
    """The torrent of a link was not kept: it was not downloaded to `directory`."""

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(f"{name}: {directory} holds no download of this magnet link")
        self.directory = directory


class SharingEndedError(ServiceError):
    """A torrent that was complete and shared is not any more; `reason` is why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is shared no longer: {reason}")
        self.reason = reason


class NoDhtError(ServiceError):
    """A link names a torrent that changes, and there is no DHT to ask which one it is now."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} names a torrent that changes: only the DHT knows which it is, and that is off")


class NoVersionError(ServiceError):
    """A link names a torrent that changes, and no node of the DHT has a version of it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no version of {name} is in the DHT now: its owner, or anybody who follows it, has to be online"
        )


class UnknownTorrentError(ServiceError, LookupError):
    """A command is about a torrent that the service does not have."""

    def __init__(self, info_hash: bytes) -> None:
        super().__init__(f"there is no torrent {info_hash.hex()}")
        self.info_hash = info_hash
