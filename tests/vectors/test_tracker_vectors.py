"""Published examples of the tracker protocols: BEP 15 (layout and time outs), BEP 41 (URL data), BEP 3 and BEP 23."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.tracker.messages import AnnounceEvent, AnnounceRequest, announce_url, parse_response
from bittorrent.tracker.udp import UdpAnnounce
from transfer.address import Address

INFO_HASH, PEER_ID = bytes(range(20)), bytes(range(100, 120))
REQUEST = AnnounceRequest(
    info_hash=INFO_HASH,
    peer_id=PEER_ID,
    port=6881,
    downloaded=0x0102030405060708,
    left=0x1112131415161718,
    uploaded=0x2122232425262728,
    event=AnnounceEvent.STARTED,
    key=0x31323334,
)


def start(*, url_data: bytes = b"", request: AnnounceRequest = REQUEST) -> UdpAnnounce:
    return UdpAnnounce(request, url_data=url_data, ipv6=False, rng=Random(1), now=0.0)


def connect(core: UdpAnnounce, *, now: float) -> bytes:
    """Answers the connect request and returns the announce request."""
    (packet,) = core.datagrams_to_send()
    core.receive_datagram(bytes(4) + packet[12:16] + b"\xc0\xff\xee\x00\xde\xad\xbe\xef", now=now)
    (packet,) = core.datagrams_to_send()
    return packet


def test_bep15_connect_request() -> None:
    (packet,) = start().datagrams_to_send()
    assert len(packet) == 16
    assert packet[:8] == bytes.fromhex("0000041727101980")  # protocol_id
    assert packet[8:12] == bytes(4)  # action: connect


@pytest.mark.parametrize(
    ("event", "number"),
    [
        (AnnounceEvent.NONE, 0),
        (AnnounceEvent.COMPLETED, 1),
        (AnnounceEvent.STARTED, 2),
        (AnnounceEvent.STOPPED, 3),
    ],
)
def test_bep15_announce_request(event: AnnounceEvent, number: int) -> None:
    request = AnnounceRequest(
        info_hash=INFO_HASH,
        peer_id=PEER_ID,
        port=0x1AE1,
        downloaded=0x0102030405060708,
        left=0x1112131415161718,
        uploaded=0x2122232425262728,
        event=event,
        key=0x31323334,
    )
    packet = connect(start(request=request), now=0.0)
    assert len(packet) == 98
    fields = {
        0: "c0ffee00deadbeef",  # connection_id
        8: "00000001",  # action
        16: INFO_HASH.hex(),
        36: PEER_ID.hex(),
        56: "0102030405060708",  # downloaded
        64: "1112131415161718",  # left
        72: "2122232425262728",  # uploaded
        80: f"{number:08x}",  # event
        84: "00000000",  # IP address
        88: "31323334",  # key
        92: "ffffffff",  # num_want
        96: "1ae1",  # port
    }
    for offset, expected in fields.items():
        assert packet[offset : offset + len(expected) // 2].hex() == expected, f"at offset {offset}"


def test_bep15_connect_times_out() -> None:
    core = start()
    assert core.datagrams_to_send()
    sent = []
    while (due := core.next_timer()) is not None:
        core.handle_timer(now=due)
        if core.datagrams_to_send():
            sent.append(due)
    assert sent[:3] == [15, 45, 105]
    assert len(sent) == 8
    assert sent[-1] == 15 * (2**8 - 1)


def test_bep15_announce_times_out() -> None:
    core = start()
    (packet,) = core.datagrams_to_send()
    core.handle_timer(now=1.0)
    # The BEP's client waits a second before it announces; ours announces at once, so its example is shifted by one.
    core.receive_datagram(bytes(4) + packet[12:16] + bytes(8), now=2.0)
    actions = [(2.0, core.datagrams_to_send()[0][8:12][-1])]
    while len(actions) < 5:
        due = core.next_timer()
        assert due is not None
        core.handle_timer(now=due)
        actions += [(due, packet[11]) for packet in core.datagrams_to_send()]
    assert actions == [(2, 1), (17, 1), (47, 1), (107, 0), (227, 0)]  # action 1 announces, 0 connects


def test_bep41_url_data() -> None:
    packet = connect(start(url_data=b"/dir?a=b&c=d"), now=0.0)
    assert packet[98:] == bytes([0x2, 0xC]) + b"/dir?a=b&c=d"


def test_bep41_long_url_data_comes_in_chunks() -> None:
    data = b"/" + b"x" * 299
    packet = connect(start(url_data=data), now=0.0)
    assert packet[98:] == b"\x02\xff" + data[:255] + b"\x02" + bytes([45]) + data[255:]


def test_bep3_query_escapes_raw_bytes() -> None:
    info_hash = bytes.fromhex("123456789abcdef123456789abcdef123456789a")
    request = AnnounceRequest(info_hash=info_hash, peer_id=b"-KC0100-abcdefghijkl", port=6881, left=7)
    url = announce_url("http://tracker.example/announce", request)
    # The escaped form of this hash is the one that the unofficial specification on wiki.theory.org gives.
    assert "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&" in url


def test_bep23_compact_peers() -> None:
    response = parse_response(b"d8:intervali1800e5:peers12:\x0a\x0a\x0a\x05\x00\x80\x7f\x00\x00\x01\x1a\xe1e")
    assert response.peers == (Address("10.10.10.5", 128), Address("127.0.0.1", 6881))
    assert response.interval_s == 1800
