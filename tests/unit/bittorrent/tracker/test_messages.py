"""What HTTP trackers answer, and what of it is believed."""

from __future__ import annotations

import pytest

from bittorrent.errors import TrackerError
from bittorrent.tracker.messages import (
    DEFAULT_INTERVAL_S,
    MAX_NAMES,
    MAX_PEERS,
    MAX_RESPONSE_BYTES,
    AnnounceRequest,
    parse_response,
    readable,
    tracker_name,
)
from transfer.address import Address, join_compact
from transfer.wire import bencode


def test_a_failure_reason_is_an_error_with_its_text() -> None:
    with pytest.raises(TrackerError, match="the tracker refused: passkey unknown") as caught:
        parse_response(bencode.encode({b"failure reason": b"passkey\n\x1b unknown", b"peers": b""}))
    assert caught.value.failure_reason == "passkey unknown"
    assert isinstance(caught.value, ConnectionError)


def test_an_empty_answer_has_defaults() -> None:
    response = parse_response(b"de")
    assert response.peers == ()
    assert response.interval_s == DEFAULT_INTERVAL_S
    assert (response.min_interval_s, response.seeders, response.tracker_id, response.warning) == (None,) * 4


def test_everything_else_it_may_say() -> None:
    response = parse_response(
        bencode.encode(
            {
                b"warning message": b"update your client",
                b"tracker id": b"\x00id",
                b"min interval": 300,
                b"interval": 900,
                b"complete": 5,
                b"incomplete": 7,
                b"peers": b"",
            }
        )
    )
    assert response.warning == "update your client"
    assert response.tracker_id == b"\x00id"
    assert (response.min_interval_s, response.interval_s) == (300, 900)
    assert (response.seeders, response.leechers) == (5, 7)


def test_peers_that_cannot_be_called_are_left_out() -> None:
    entries: list[bencode.Encodable] = [
        {b"ip": b"10.0.0.1", b"port": 1, b"peer id": bytes(20)},
        {b"ip": b"10.0.0.1", b"port": 1},
        {b"ip": b"2001:DB8::0:1", b"port": 2},
        {b"ip": b"example.org", b"port": 3},
        {b"ip": b"10.0.0.2", b"port": 0},
        {b"ip": b"10.0.0.2", b"port": 70000},
        {b"ip": 7, b"port": 7},
        {b"port": 7},
        b"junk",
    ]
    response = parse_response(bencode.encode({b"peers": entries}))
    assert response.peers == (Address("10.0.0.1", 1), Address("2001:db8::1", 2))
    assert response.names == (("example.org", 3),)


def test_the_number_of_peers_is_bounded() -> None:
    many = [Address(f"10.1.{number >> 8}.{number & 255}", 1 + number) for number in range(MAX_PEERS + 100)]
    assert parse_response(bencode.encode({b"peers": join_compact(many)})).peers == tuple(many[:MAX_PEERS])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not found</html>",
        b"le",
        b"d5:peers0:",
        b"di5e0:e",
        b"d5:peers9999999999:e",
        b"d1:x" + b"l" * 20 + b"e" * 21,
        bencode.encode({b"x": bytes(MAX_RESPONSE_BYTES)}),
    ],
)
def test_what_is_no_answer_of_a_tracker(body: bytes) -> None:
    with pytest.raises(TrackerError) as caught:
        parse_response(body)
    assert caught.value.failure_reason is None


@pytest.mark.parametrize(
    "body",
    [
        b"d8:intervali900e5:peers6:\x0a\0\0\1\x1a\xe1e\r\n<!-- 0.02 s -->",
        b"\xef\xbb\xbf\n d8:intervali900e5:peers6:\x0a\0\0\1\x1a\xe1e",
        b"d8:intervali900e8:intervali5e5:peers6:\x0a\0\0\1\x1a\xe15:peers0:e",
        b"d8:intervali0900e5:peers06:\x0a\0\0\1\x1a\xe1e",
        b"d8:intervali900.5e8:completei-0e5:peers6:\x0a\0\0\1\x1a\xe1e",
        b"d8:intervali900e5:peersl6:peer.xd2:ip8:10.0.0.14:porti6881eed2:ipi7eeee",
        b"d8:intervali900e5:peersld2:ip8:10.0.0.14:port4:6881eee",
        b"d8:intervali900e5:peers6:\x0a\0\0\1\x1a\xe16:peers6i7e8:completeleee",
        b"d11:external ip3:abc8:intervali900e10:tracker idi7e5:peers11:\x0a\0\0\1\x1a\xe1abcde6:peers63:xyze",
    ],
    ids=["behind", "before", "twice", "zeros", "decimals", "entries", "digits", "types", "tails"],
)
def test_what_is_wrong_in_an_answer_costs_nothing_else(body: bytes) -> None:
    """synapse#117 and its neighbours."""
    response = parse_response(body)
    assert response.peers == (Address("10.0.0.1", 6881),)
    assert response.interval_s == 900


def test_a_list_of_peers_that_cannot_be_read_is_told() -> None:
    assert parse_response(b"d5:peersi5ee").warning == "its list of peers is broken"
    assert parse_response(b"d5:peers7:1234567e").warning == "its list of peers is broken"
    assert parse_response(b"d5:peersi5e15:warning message5:greete").warning == "greet"
    assert parse_response(b"d5:peerslee").warning is None


def test_names_of_peers_are_few_and_fit_for_a_resolver() -> None:
    names = [f"peer{number}.example".encode() for number in range(MAX_NAMES + 5)]
    wrong = [b"a b", b"../x", b"x" * 64, b"", b"http://x/", b"a" * 254, b"\xff.example", b"x..y"]
    entries: list[bencode.Encodable] = [{b"ip": name, b"port": 7} for name in [*wrong, *names]]
    found = parse_response(bencode.encode({b"peers": entries})).names
    assert found == tuple((name.decode(), 7) for name in names[:MAX_NAMES])


@pytest.mark.parametrize("wrong", [-1, b"900", 1 << 40, []])
def test_numbers_that_make_no_sense_are_ignored(wrong: bencode.Encodable) -> None:
    response = parse_response(bencode.encode({b"interval": wrong, b"min interval": wrong, b"complete": wrong}))
    assert (response.interval_s, response.min_interval_s, response.seeders) == (DEFAULT_INTERVAL_S, None, None)


def test_an_overlong_tracker_id_is_not_kept() -> None:
    assert parse_response(bencode.encode({b"tracker id": bytes(5000)})).tracker_id is None


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"  two\r\nlines\x00 ", "two lines"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"x" * 5000, "x" * 200),
        (b"", "no reason given"),
        (17, "17"),
        ("snowman ☃".encode(), "snowman ☃"),
    ],
)
def test_texts_fit_one_line(raw: object, shown: str) -> None:
    assert readable(raw) == shown


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://tracker.example:80/secret/announce?passkey=1", "http://tracker.example:80"),
        ("udp://user:password@[::1]:6969/x", "udp://[::1]:6969"),
        ("http://[broken", "a broken URL"),
    ],
)
def test_names_hide_passkeys(url: str, name: str) -> None:
    assert tracker_name(url) == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"info_hash": b"short"},
        {"peer_id": b"short"},
        {"port": 65536},
        {"left": -1},
        {"uploaded": 1 << 63},
        {"key": 1 << 32},
        {"num_want": -1},
    ],
)
def test_requests_that_cannot_be_sent_are_refused(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"info_hash": bytes(20), "peer_id": bytes(20), "port": 6881}
    with pytest.raises(ValueError, match=r"20 bytes|port number|counts of bytes|must fit"):
        AnnounceRequest(**(right | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\x08\x08\x04\x04", "8.8.4.4"),
        (bytes.fromhex("20010db8000000000000000000000001"), "2001:db8::1"),
        (bytes(4), None),
        (b"8.8.4.4", None),
        (7, None),
    ],
)
def test_our_address_as_the_tracker_sees_it(raw: bytes | int, expected: str | None) -> None:
    assert parse_response(bencode.encode({b"external ip": raw})).external_ip == expected
