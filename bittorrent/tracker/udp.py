"""Announcing to a UDP tracker and scraping it, as machines without a socket (BEP 15, BEP 41)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from bittorrent.tracker.messages import AnnounceEvent, AnnounceRequest, AnnounceResponse, usable_peers
from bittorrent.tracker.scrape import MAX_HASHES, ScrapeStats
from bittorrent.tracker.udp_exchange import DEFAULT_CONFIG, Answered, ExchangeFailed, UdpConfig, UdpExchange
from transfer.address import COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE, split_compact

__all__ = ["DEFAULT_CONFIG", "Answered", "ExchangeFailed", "UdpAnnounce", "UdpConfig", "UdpScrape"]


class UdpAnnounce(UdpExchange[AnnounceResponse]):
    """One announcement.

    Args:
        url_data: path and query of the tracker's URL (BEP 41), b"" for none.
        ipv6: whether the socket speaks IPv6, which decides the form of the peers. May be set until the answer is read.
    """

    action = 1
    least_answer_bytes = 20

    def __init__(
        self,
        request: AnnounceRequest,
        *,
        url_data: bytes,
        ipv6: bool,
        rng: Random,
        now: float,
        config: UdpConfig = DEFAULT_CONFIG,
    ) -> None:
        self._request = request
        self._url_data = url_data[:_MAX_URL_DATA]
        self.ipv6 = ipv6
        super().__init__(rng=rng, now=now, config=config)

    def request_packet(self, connection_id: int, transaction_id: int) -> bytes:
        request = self._request
        packet = _ANNOUNCE_REQUEST.pack(
            connection_id,
            self.action,
            transaction_id,
            request.info_hash,
            request.peer_id,
            request.downloaded,
            request.left,
            request.uploaded,
            _EVENT_NUMBERS[request.event],
            0,  # our address: the sender's
            request.key,
            -1 if request.num_want is None else request.num_want,
            request.port,
        )
        chunks = [self._url_data[at : at + 255] for at in range(0, len(self._url_data), 255)]
        return packet + b"".join(bytes((_URL_DATA, len(chunk))) + chunk for chunk in chunks)

    def parse(self, data: bytes) -> AnnounceResponse:
        interval_s, leechers, seeders = _ANNOUNCE_RESPONSE.unpack_from(data, 8)
        stride = COMPACT_IPV6_SIZE if self.ipv6 else COMPACT_IPV4_SIZE
        end = len(data) - (len(data) - 20) % stride
        peers = split_compact(data[20:end], ipv6=self.ipv6)
        return AnnounceResponse(
            peers=usable_peers(peers), interval_s=float(interval_s), leechers=leechers, seeders=seeders
        )


class UdpScrape(UdpExchange[dict[bytes, ScrapeStats]]):
    """One question about up to `MAX_HASHES` torrents. A tracker that does not know one says zeros of it."""

    action = 2
    least_answer_bytes = 8

    def __init__(
        self, info_hashes: Sequence[bytes], *, rng: Random, now: float, config: UdpConfig = DEFAULT_CONFIG
    ) -> None:
        if not 0 < len(info_hashes) <= MAX_HASHES or any(len(info_hash) != 20 for info_hash in info_hashes):
            raise ValueError(f"from 1 to {MAX_HASHES} info-hashes of 20 bytes, please")
        self._info_hashes = tuple(info_hashes)
        super().__init__(rng=rng, now=now, config=config)

    def request_packet(self, connection_id: int, transaction_id: int) -> bytes:
        return _SCRAPE_REQUEST.pack(connection_id, self.action, transaction_id) + b"".join(self._info_hashes)

    def parse(self, data: bytes) -> dict[bytes, ScrapeStats]:
        numbers = _SCRAPE_ENTRY.iter_unpack(data[8 : len(data) - (len(data) - 8) % _SCRAPE_ENTRY.size])
        return {
            info_hash: ScrapeStats(seeders=seeders, leechers=leechers, downloads=downloads)
            for info_hash, (seeders, downloads, leechers) in zip(self._info_hashes, numbers, strict=False)
        }


_URL_DATA = 2
_MAX_URL_DATA = 1020  # four options: the packet stays below the 1200 bytes that pass everywhere
_EVENT_NUMBERS = {
    AnnounceEvent.NONE: 0,
    AnnounceEvent.COMPLETED: 1,
    AnnounceEvent.STARTED: 2,
    AnnounceEvent.STOPPED: 3,
}
_ANNOUNCE_REQUEST = struct.Struct(">QII20s20sQQQIIIiH")
_ANNOUNCE_RESPONSE = struct.Struct(">III")
_SCRAPE_REQUEST = struct.Struct(">QII")
_SCRAPE_ENTRY = struct.Struct(">III")
