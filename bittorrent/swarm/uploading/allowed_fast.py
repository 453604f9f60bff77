"""The pieces that a peer may fetch while it is choked: the same for it and for us, without a word (BEP 6)."""

from __future__ import annotations

from hashlib import sha1

from transfer.address import packed_host


def allowed_fast_set(info_hash: bytes, host: str, *, piece_count: int, count: int) -> tuple[int, ...]:
    """`count` different pieces (all, if there are fewer) for the peer at an IPv4 address; none for others.

    Neighbours in one /24 network get the same pieces, so that more addresses do not bring more of them.

    Source: BEP 6, "Allowed Fast Set Generation".
    """
    packed = packed_host(host)
    if len(packed) != 4:
        return ()
    chosen: dict[int, None] = {}
    digest = packed[:3] + b"\0" + info_hash
    while len(chosen) < min(count, piece_count):
        digest = sha1(digest).digest()
        for start in range(0, len(digest), 4):
            if len(chosen) < min(count, piece_count):
                chosen[int.from_bytes(digest[start : start + 4], "big") % piece_count] = None
    return tuple(chosen)
