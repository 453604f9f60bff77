"""Extension handshakes as deployed, careless and hostile clients write them."""

from __future__ import annotations

import pytest

from bittorrent.errors import WireError
from bittorrent.wire.extended import ExtendedHandshake, packed_ip
from transfer.wire import bencode


def test_nothing_is_required() -> None:
    assert ExtendedHandshake.from_bytes(b"de") == ExtendedHandshake()
    assert ExtendedHandshake().to_bytes() == b"d1:mdee"


@pytest.mark.parametrize(
    "payload",
    [b"", b"d", b"i1e", b"le", b"4:spam", b"d1:m", b"d1:mi1e1:mi2ee", b"d" * 9, b"\xff" * 40, b"d1:ai01ee"],
)
def test_not_a_dictionary(payload: bytes) -> None:
    with pytest.raises(WireError) as caught:
        ExtendedHandshake.from_bytes(payload)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "payload",
    [
        b"l" * 2001 + b"e" * 2001,
        bencode.encode({"m": {f"{number:05}": 1 for number in range(2001)}}),
        bencode.encode({"v": b"x" * (128 << 10)}),
    ],
)
def test_too_deep_too_many_or_too_large(payload: bytes) -> None:
    with pytest.raises(WireError):
        ExtendedHandshake.from_bytes(payload)


@pytest.mark.parametrize(
    "entry",
    [
        {"m": []},
        {"m": b"ut_metadata"},
        {"m": {"ut_metadata": b"3"}},
        {"m": {"ut_metadata": -1}},
        {"m": {"ut_metadata": 256}},
        {"m": {"ut_metadata": [3]}},
        {"m": {b"x" * 65: 3}},  # a name is kept for as long as the connection lives
        {"v": 7},
        {"v": b""},
        {"reqq": b"250"},
        {"reqq": 0},
        {"reqq": -1},
        {"reqq": (1 << 31) + 1},
        {"metadata_size": 0},
        {"metadata_size": -5},
        {"metadata_size": (1 << 31) + 1},
        {"metadata_size": b"31235"},
        {"p": 0},
        {"p": 65536},
        {"p": b"\x1a\xe1"},
        {"yourip": b"127.0.0.1"},
        {"yourip": 2130706433},
        {"yourip": b""},
        {"complete_ago": 1, "ipv6": bytes(16), "upload_only": b"1", "ut_holepunch": {}},
    ],
)
def test_an_entry_that_makes_no_sense_counts_as_absent(entry: dict[str, bencode.Encodable]) -> None:
    assert ExtendedHandshake.from_bytes(bencode.encode(entry)) == ExtendedHandshake()


@pytest.mark.parametrize(
    ("entry", "read"),
    [
        ({"m": {"ut_pex": 0, "ut_metadata": 255}}, ExtendedHandshake(extensions={b"ut_pex": 0, b"ut_metadata": 255})),
        ({"m": {b"x" * 64: 3}}, ExtendedHandshake(extensions={b"x" * 64: 3})),
        ({"v": b"x"}, ExtendedHandshake(client="x")),
        ({"reqq": 1}, ExtendedHandshake(request_queue=1)),
        ({"reqq": 1 << 31}, ExtendedHandshake(request_queue=1 << 31)),
        ({"metadata_size": 1}, ExtendedHandshake(metadata_size=1)),
        ({"metadata_size": 1 << 31}, ExtendedHandshake(metadata_size=1 << 31)),
        ({"p": 1}, ExtendedHandshake(listen_port=1)),
        ({"p": 65535}, ExtendedHandshake(listen_port=65535)),
    ],
)
def test_an_entry_at_its_limit_counts(entry: dict[str, bencode.Encodable], read: ExtendedHandshake) -> None:
    assert ExtendedHandshake.from_bytes(bencode.encode(entry)) == read


def test_one_bad_entry_spoils_no_other() -> None:
    payload = bencode.encode({"m": {"ut_pex": -1, "ut_metadata": 3}, "metadata_size": b"", "reqq": 10})
    assert ExtendedHandshake.from_bytes(payload) == ExtendedHandshake(extensions={b"ut_metadata": 3}, request_queue=10)


def test_the_client_name_is_cut_and_made_readable() -> None:
    assert ExtendedHandshake.from_bytes(bencode.encode({"v": b"x" * 500})).client == "x" * 64
    assert ExtendedHandshake.from_bytes(bencode.encode({"v": b"\xb5Torrent 1.2"})).client == "\ufffdTorrent 1.2"


def test_zero_switches_an_extension_off() -> None:
    first = ExtendedHandshake(extensions={b"ut_metadata": 3, b"ut_pex": 1})
    after = first.updated(ExtendedHandshake(extensions={b"ut_pex": 0}))
    assert after.extensions == {b"ut_metadata": 3, b"ut_pex": 0}


def test_what_a_peer_can_make_us_remember_is_small() -> None:
    known = ExtendedHandshake()
    for number in range(300):
        name = bencode.encode({"m": {b"%05d" % number + b"x" * 100_000: 1, b"%05d" % number: 1}})
        known = known.updated(ExtendedHandshake.from_bytes(name))
    assert sum(map(len, known.extensions)) <= 256 * 64


@pytest.mark.parametrize(
    ("host", "packed"),
    [("10.0.0.1", b"\x0a\0\0\x01"), ("::1", bytes(15) + b"\x01"), ("memory", None), ("", None)],
)
def test_your_ip(host: str, packed: bytes | None) -> None:
    assert packed_ip(host) == packed
