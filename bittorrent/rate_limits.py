"""How fast a torrent, and a session, may be: both ways, with local peers in a class of their own."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from bittorrent.origin import Origin
from transfer.limits.rate_limiter import RateLimiter


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """In bytes per second; None is no limit.

    Attributes:
        download_bytes_per_s: of payload, from and to peers elsewhere.
        upload_bytes_per_s: see `download_bytes_per_s`.
        local_download_bytes_per_s: the same for peers in this network and on this machine,
            which cost no line.
        local_upload_bytes_per_s: see `local_download_bytes_per_s`.
    """

    download_bytes_per_s: float | None = None
    upload_bytes_per_s: float | None = None
    local_download_bytes_per_s: float | None = None
    local_upload_bytes_per_s: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, or None for no limit")


class SwarmLimits:
    """The limiters of one torrent, or of a session when others have it as their parent."""

    __slots__ = ("_download", "_local_download", "_local_upload", "_upload")

    def __init__(self, parent: SwarmLimits | None = None) -> None:
        self._download: RateLimiter = RateLimiter(parent=parent._download if parent is not None else None)
        self._upload: RateLimiter = RateLimiter(parent=parent._upload if parent is not None else None)
        self._local_download: RateLimiter = RateLimiter(parent=parent._local_download if parent is not None else None)
        self._local_upload: RateLimiter = RateLimiter(parent=parent._local_upload if parent is not None else None)

    def set(self, limits: RateLimits) -> None:
        """Other limits from now on."""
        self._download.set_rate(limits.download_bytes_per_s)
        self._upload.set_rate(limits.upload_bytes_per_s)
        self._local_download.set_rate(limits.local_download_bytes_per_s)
        self._local_upload.set_rate(limits.local_upload_bytes_per_s)

    def count_local(self, wanted: bool) -> None:
        """Whether what local peers send and get uses up the limits of the others, too. For limits without a parent."""
        self._local_download.set_parent(self._download if wanted else None)
        self._local_upload.set_parent(self._upload if wanted else None)

    def for_peer(self, address: Origin) -> tuple[RateLimiter, RateLimiter]:
        """What limits the downloads from and the uploads to a peer."""
        if is_local(address):
            return self._local_download, self._local_upload
        return self._download, self._upload


def is_local(address: Origin) -> bool:
    """Whether a peer or server is in this network or on this machine, as far as its address tells."""
    try:
        ip = ip_address(address.host)
    except ValueError:
        return False
    return ip.is_private or ip.is_link_local or ip.is_loopback
