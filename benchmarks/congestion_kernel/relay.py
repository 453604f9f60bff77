"""Carries IP packets between two devices as a simulated link does, in real time."""

from __future__ import annotations

import heapq
import os
import random
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from transfer.simulation import Link, LinkModel


class Relay:
    """Two directions of a path: what is read from one device is written to the other when it arrives there.

    Chance concerns packets with payload only, in the order in which they are sent: a transfer is measured when its
    connection is there, and what the lab loses by the same generator are the same packets.

    Args:
        devices: descriptors of TUN devices that do not block.
        links: from the first to the second, and back.
        rng: of what is random on them.

    Attributes:
        carried, dropped, lost: packets of each direction.
        latest_us: by how much the latest packet left too late: how far the machine was from keeping time.
    """

    def __init__(self, devices: tuple[int, int], links: tuple[Link, Link], rng: random.Random) -> None:
        self._devices = devices
        self._models = tuple(LinkModel(link, rng) for link in links)
        bare = (replace(link, loss=0.0, loss_every=0, jitter_s=0.0, queue_bytes=MAX_PACKET_BYTES) for link in links)
        self._empty = tuple(LinkModel(link, rng) for link in bare)
        self._under_way: list[tuple[int, int, int, bytes]] = []  # when, in which order, where to, what
        self._count = 0
        self._began_ns = time.monotonic_ns()
        self.carried, self.dropped, self.lost = [0, 0], [0, 0], [0, 0]
        self.latest_us = 0

    def run(self, watched: int, *, is_over: Callable[[], bool], until: float) -> bool:
        """Carries packets until `is_over`, asked whenever the descriptor `watched` can be read; False: not in time."""
        first, second = self._devices
        under_way = self._under_way
        while time.monotonic() < until:
            now_us = self._deliver()
            wait_s = max(0, under_way[0][0] - now_us) / 1e6 if under_way else LONGEST_S
            ready, _, _ = select.select((first, second, watched), (), (), min(wait_s, LONGEST_S))
            for device in ready:
                if device == watched:
                    if is_over():
                        return True
                else:
                    self._take(0 if device == first else 1)
        return False

    def _deliver(self) -> int:
        """Writes what has arrived. Returns the time."""
        under_way = self._under_way
        while True:
            now_us = self._now_us()
            if not under_way or under_way[0][0] > now_us:
                return now_us
            at_us, _, device, packet = heapq.heappop(under_way)
            self.latest_us = max(self.latest_us, now_us - at_us)
            with suppress(OSError):  # the end that it goes to is gone
                os.write(device, packet)

    def _take(self, direction: int) -> None:
        """Reads what has been sent, and finds out when it arrives."""
        device = self._devices[direction]
        for _ in range(MOST_AT_ONCE):
            try:
                packet = os.read(device, MAX_PACKET_BYTES)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:  # what IPv6 asks its neighbours when a device comes up
                continue
            self.carried[direction] += 1
            model = (self._models if has_payload(packet) else self._empty)[direction]
            arrives_us = model.datagram_us(0, 1, len(packet) - UDP_OVER_IPV4_BYTES, self._now_us())
            if arrives_us == DROPPED:
                self.dropped[direction] += 1
            elif arrives_us < 0:
                self.lost[direction] += 1
            else:
                self._count += 1
                heapq.heappush(self._under_way, (arrives_us, self._count, self._devices[1 - direction], packet))

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._began_ns) // 1000


def has_payload(packet: bytes) -> bool:
    """Whether a TCP segment carries bytes, and is not only a part of a handshake, or an acknowledgement."""
    headers = 4 * (packet[0] & 15)
    return len(packet) > headers + 4 * (packet[headers + 12] >> 4)


MAX_PACKET_BYTES = 65_535
MOST_AT_ONCE = 64  # then what is due is delivered first
LONGEST_S = 0.05
UDP_OVER_IPV4_BYTES = 28  # what a link adds to a datagram: here it is in the packet already
DROPPED = -2  # what a link answers when its queue is full
