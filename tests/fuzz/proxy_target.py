"""A proxy that says anything: the handshakes of both protocols, and the headers of datagrams.

The first byte chooses what is read, the second how it is cut.
"""

from __future__ import annotations

from transfer.address import Address
from transfer.proxy.handshake import new_handshake
from transfer.proxy.proxy import Proxy
from transfer.proxy.socks5 import SocksError, encode_address, split_datagram


def run_proxy(data: bytes) -> str:
    """Fails when a machine raises, keeps what it should not, or says what cannot be printed."""
    if len(data) < 2:
        return "short"
    kind, portion, words = data[0] % 6, data[1] % 64 + 1, data[2:]
    if kind == 5:
        try:
            sender, start = split_datagram(words)
        except SocksError as error:
            return f"datagram {str(error)[:12]}"
        assert start <= len(words)
        assert encode_address(sender)
        return f"datagram {words[3]}"
    handshake = new_handshake(PROXIES[kind % 4], None if kind == 4 else Address("t.example", 80))
    sent = len(handshake.data_to_send())
    for start in range(0, len(words), portion):
        handshake.receive_data(words[start : start + portion])
        sent += len(handshake.data_to_send())
        if handshake.error is not None or handshake.bound is not None:
            break
    assert sent < 600
    if handshake.bound is None:
        handshake.receive_eof()
        assert handshake.error is not None
        assert str(handshake.error).isprintable()
        assert len(str(handshake.error)) < 300
        return f"{kind} {type(handshake.error).__name__} {str(handshake.error)[40:70]}"
    return f"{kind} open {len(handshake.received) > 0}"


def proxy_seeds() -> list[bytes]:
    yes = b"\5\0\0\1\x7f\0\0\1\1\2"
    return [
        bytes([0, 63]) + b"\5\0" + yes + b"payload",
        bytes([1, 1]) + b"\5\2\1\0" + yes,
        bytes([1, 9]) + b"\5\2\1\1",
        bytes([0, 63]) + b"\5\0\5\5\0\1" + bytes(6),
        bytes([4, 63]) + b"\5\0\5\0\0\4" + bytes(18),
        bytes([4, 63]) + b"\5\0\5\0\0\3\5relay\0\5",
        bytes([2, 63]) + b"HTTP/1.1 200 OK\r\nA: b\r\n\r\npayload",
        bytes([3, 5]) + b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        bytes([2, 20]) + b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 403\r\n\r\n",
        bytes([5, 0]) + b"\0\0\0\1\x7f\0\0\1\1\2payload",
        bytes([5, 0]) + b"\0\0\0\4" + bytes(18) + b"payload",
        bytes([5, 0]) + b"\0\0\0\3\4name\1\2payload",
    ]


PROXIES = [Proxy.parse(url) for url in ("socks5://h", "socks5://u:p@h", "http://h", "http://u:p@h")]
