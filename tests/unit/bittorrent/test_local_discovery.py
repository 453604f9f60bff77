"""Announcements in the local network: their text, and when they are sent (BEP 14)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bittorrent.local_discovery import (
    MAX_INFO_HASHES,
    Announcement,
    LocalDiscoveryConfig,
    LocalDiscoveryCore,
    LocalDiscoveryError,
    decode_announcement,
    encode_announcement,
)
from transfer.address import Address

CONFIG = LocalDiscoveryConfig()
ONE, TWO = bytes(range(20)), bytes(range(20, 40))
GROUP6 = Address("ff15::efc0:988f", 6771)
FELLOW = Address("192.168.0.9", 6771)


def core(**config: float) -> LocalDiscoveryCore:
    return LocalDiscoveryCore(port=6881, cookie="ours", config=LocalDiscoveryConfig(**config), now=0.0)  # type: ignore[arg-type]


def heard(*info_hashes: bytes, port: int = 7000, cookie: str = "theirs") -> bytes:
    return encode_announcement(Announcement(port=port, info_hashes=info_hashes, cookie=cookie), CONFIG.group)


def test_the_text_of_bep_14() -> None:
    text = (
        "BT-SEARCH * HTTP/1.1\r\n"
        "Host: 239.192.152.143:6771\r\n"
        "Port: 6881\r\n"
        "Infohash: 000102030405060708090a0b0c0d0e0f10111213\r\n"
        "cookie: name\r\n"
        "\r\n"
        "\r\n"
    )
    announcement = Announcement(port=6881, info_hashes=(ONE,), cookie="name")
    assert encode_announcement(announcement, CONFIG.group) == text.encode()
    assert decode_announcement(text.encode()) == announcement


def test_ipv6_has_a_group_of_its_own() -> None:
    assert b"Host: [ff15::efc0:988f]:6771\r\n" in encode_announcement(Announcement(port=1, info_hashes=(ONE,)), GROUP6)


def test_names_in_any_case_many_torrents_and_unknown_headers() -> None:
    text = f"BT-SEARCH * HTTP/1.1\nINFOHASH: {ONE.hex().upper()}\nx: y\nport:7\ninfohash:{TWO.hex()}\ninfohash: 00\n"
    assert decode_announcement(text.encode()) == Announcement(port=7, info_hashes=(ONE, TWO))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"M-SEARCH * HTTP/1.1\r\n\r\n",
        b"BT-SEARCH * HTTP/1.1\r\n\r\n",
        f"BT-SEARCH * HTTP/1.1\r\nInfohash: {ONE.hex()}\r\n\r\n".encode(),
        f"BT-SEARCH * HTTP/1.1\r\nPort: 0\r\nInfohash: {ONE.hex()}\r\n\r\n".encode(),
        f"BT-SEARCH * HTTP/1.1\r\nPort: 65536\r\nInfohash: {ONE.hex()}\r\n\r\n".encode(),
        b"BT-SEARCH * HTTP/1.1\r\nPort: 6881\r\nInfohash: short\r\n\r\n",
    ],
)
def test_what_is_no_announcement(data: bytes) -> None:
    with pytest.raises(LocalDiscoveryError):
        decode_announcement(data)


@given(st.binary() | st.text(max_size=60).map(lambda text: f"BT-SEARCH * HTTP/1.1\r\nport: {text}\r\n".encode()))
@example("BT-SEARCH * HTTP/1.1\r\nport: ²\r\n".encode("latin-1"))
def test_any_datagram(data: bytes) -> None:
    machine = core()
    machine.add(ONE, now=0.0)
    assert machine.receive_datagram(data, FELLOW, now=0.0) == []


def test_torrents_are_announced_at_once_and_every_five_minutes() -> None:
    machine = core()
    assert machine.next_timer() is None
    machine.add(ONE, now=0.0)
    machine.add(ONE, now=1.0)
    assert machine.next_timer() == 0.0
    assert machine.announcements_to_send(now=0.0) == [Announcement(port=6881, info_hashes=(ONE,), cookie="ours")]
    assert machine.announcements_to_send(now=299.9) == []
    assert machine.next_timer() == 300.0
    assert len(machine.announcements_to_send(now=300.0)) == 1


def test_many_torrents_share_datagrams_that_any_network_carries() -> None:
    machine = core()
    for number in range(45):
        machine.add(number.to_bytes(20, "big"), now=0.0)
    announcements = machine.announcements_to_send(now=0.0)
    assert [len(announcement.info_hashes) for announcement in announcements] == [MAX_INFO_HASHES, MAX_INFO_HASHES, 5]
    assert max(len(encode_announcement(announcement, GROUP6)) for announcement in announcements) < 1400


def test_a_fellow_is_reported_and_soon_told_about_us() -> None:
    machine = core()
    machine.add(ONE, now=0.0)
    machine.announcements_to_send(now=0.0)
    assert machine.receive_datagram(heard(ONE, TWO), FELLOW, now=10.0) == [(ONE, Address("192.168.0.9", 7000))]
    assert machine.next_timer() == 60.0  # not more often than once a minute
    machine.announcements_to_send(now=60.0)
    machine.receive_datagram(heard(ONE), FELLOW, now=200.0)
    assert machine.next_timer() == 200.0


def test_nothing_is_heard_of_ourselves_of_other_torrents_and_of_impossible_peers() -> None:
    machine = core()
    machine.add(ONE, now=0.0)
    assert machine.receive_datagram(heard(ONE, cookie="ours"), FELLOW, now=0.0) == []
    assert machine.receive_datagram(heard(TWO), FELLOW, now=0.0) == []
    assert machine.receive_datagram(heard(ONE), Address("0.0.0.0", 1), now=0.0) == []
    machine.remove(ONE)
    assert machine.receive_datagram(heard(ONE), FELLOW, now=0.0) == []
    assert machine.next_timer() is None


def test_a_torrent_that_comes_and_goes_is_announced_once_a_minute() -> None:
    machine = core()
    sent = 0
    for second in range(120):
        machine.add(ONE, now=float(second))
        sent += len(machine.announcements_to_send(now=float(second)))
        machine.remove(ONE)
    assert sent == 2


def test_a_shouting_network_costs_no_more_than_it_may() -> None:
    machine = core(rate_per_s=10, burst=20)
    machine.add(ONE, now=0.0)
    found = [machine.receive_datagram(heard(ONE, port=port), FELLOW, now=1.0) for port in range(1, 101)]
    assert sum(map(len, found)) == 20
    assert machine.receive_datagram(heard(ONE), FELLOW, now=2.0)


def test_who_shouts_does_not_drown_the_others() -> None:
    machine = core(rate_per_s=10, burst=20, host_rate_per_s=2, host_burst=5)
    machine.add(ONE, now=0.0)
    shouted = [
        machine.receive_datagram(heard(ONE, port=port), Address("192.168.0.66", port), now=1.0)
        for port in range(1, 1000)
    ]
    assert sum(map(len, shouted)) == 5
    assert machine.receive_datagram(heard(ONE), FELLOW, now=1.0)


@pytest.mark.parametrize(
    "wrong", [{"host_burst": 0}, {"min_interval_s": 0}, {"interval_s": 59}, {"rate_per_s": 0}, {"burst": 0}]
)
def test_configs_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        LocalDiscoveryConfig(**wrong)  # type: ignore[arg-type]


def test_a_peer_that_is_heard_over_several_interfaces_is_told_of_once() -> None:
    ours = core()
    ours.add(bytes(20), now=0.0)
    data = encode_announcement(Announcement(port=6881, info_hashes=(bytes(20),), cookie="them"), GROUP6)
    assert b"Host: [ff15::efc0:988f]:6771\r\n" in data
    source = Address("2001:db8::5", 6771)
    expected = [(bytes(20), Address("2001:db8::5", 6881))]
    assert ours.receive_datagram(data, source, now=1.0) == expected
    assert ours.receive_datagram(data, source, now=1.1) == []
    over_link = Address("fe80::5%2", 6771)
    assert ours.receive_datagram(data, over_link, now=1.2) == [(bytes(20), Address("fe80::5%2", 6881))]
    assert ours.receive_datagram(data, source, now=7.0) == expected
