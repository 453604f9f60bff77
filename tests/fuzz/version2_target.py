"""A fuzz target: trees of files and piece layers of any bytes, beside a slow reader of the same (BEP 52).

An input is the tree and the layers, both bencoded, with `BORDER` between. What the library accepts the slow reader has
to accept with the same files, and the other way round.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from bittorrent.errors import MetainfoError
from bittorrent.metainfo.torrent import Metainfo
from tests.merkle_model import full_tree
from tests.version2 import BLOCK, build, piece_root
from transfer.wire import bencode
from transfer.wire.bencode import BencodeError

KEYS = [b"file tree", b"meta version", b"name", b"piece length"]
BORDER = b"\xff\x00\xff"
PIECE_LENGTH = 2 * BLOCK
MOST = 2**63 - 1
MAX_PIECES = 1 << 21


def run_version2(data: bytes) -> str:
    """One torrent."""
    tree, _, layers = data.partition(BORDER)
    info = b"d9:file tree" + tree + b"12:meta versioni2e4:name1:t12:piece lengthi%dee" % PIECE_LENGTH
    torrent = b"d4:info" + info + (b"12:piece layers" + layers if layers else b"") + b"e"
    metainfo, reason = _read(torrent)
    whole: Any = None
    with suppress(BencodeError):
        whole, _ = bencode.decode_prefix(torrent)
    if whole is not None and list(whole[b"info"]) != KEYS:
        return "other keys beside the tree"
    expected = slow_reader(whole) if whole is not None else None
    assert (metainfo is None) == (expected is None), reason or f"accepted {expected}"
    if metainfo is None or expected is None:
        return reason[:30]
    found = [
        (entry.length, entry.offset, entry.pieces_root)
        for entry in metainfo.files
        if not entry.is_padding and not entry.link_to
    ]
    assert (found, dict(metainfo.layers)) == expected
    assert reason == ""
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    assert metainfo.total_bytes == sum(length for length, _, _ in found)
    return f"{len(found)} files, {len(metainfo.files)} entries, {len(metainfo.layers)} layers"


def _read(torrent: bytes) -> tuple[Metainfo | None, str]:
    try:
        return Metainfo.from_bytes(torrent), ""
    except MetainfoError as error:
        return None, str(error)


Files = list[tuple[int, int, bytes | None]]


def slow_reader(torrent: Any) -> tuple[Files, dict[bytes, bytes]] | None:
    """The length, offset and root of each file, and the layers; None for what is no torrent."""
    found: Files = []
    tree = torrent[b"info"][b"file tree"]
    if (
        not isinstance(tree, dict)
        or not tree
        or not _walk(tree, found)
        or not found
        or found[-1][1] + found[-1][0] > MOST
    ):
        return None
    lengths: dict[bytes, int] = {}
    for length, _, root in found:
        if root is not None and lengths.setdefault(root, length) != length:
            return None
    with_bytes = [(offset + length, length) for length, offset, _ in found if length]
    if not with_bytes or -(-with_bytes[-1][0] // PIECE_LENGTH) > MAX_PIECES:
        return None
    given = torrent.get(b"piece layers", {})
    for root, layer in given.items() if isinstance(given, dict) else []:
        length = lengths.get(root, 0)
        count = -(-length // PIECE_LENGTH)
        if count < 2 or not isinstance(layer, bytes) or len(layer) != 32 * count:
            return None
        row = [layer[at : at + 32] for at in range(0, len(layer), 32)]
        while len(row) & (len(row) - 1):
            row.append(_NOTHING)
        if full_tree(row)[-1][0] != root:
            return None
    return found, given if isinstance(given, dict) else {}


def _walk(folder: dict[Any, Any], found: Files) -> bool:
    if list(folder) != sorted(folder):
        return False
    for name, below in folder.items():
        if not name or not isinstance(below, dict):
            return False
        if b"" not in below:
            if not _walk(below, found):
                return False
            continue
        entry = below[b""]
        if len(below) > 1 or not isinstance(entry, dict) or list(entry) != sorted(entry):
            return False
        attributes = entry.get(b"attr")
        attributes = attributes if isinstance(attributes, bytes) else b""
        if b"p" in attributes:
            return False
        if b"l" in attributes:
            continue
        length, root = entry.get(b"length"), entry.get(b"pieces root")
        if not isinstance(length, int) or not 0 <= length <= MOST:
            return False
        if length and (not isinstance(root, bytes) or len(root) != 32 or root == bytes(32)):
            return False
        end = max((offset + size for size, offset, _ in found), default=0)
        found.append((length, -(-end // PIECE_LENGTH) * PIECE_LENGTH, root if length else None))
    return True


def version2_seeds() -> list[bytes]:
    """Trees of few and of many kinds of entries, with the layers they need and without."""
    plain = build({"a": b"a" * 70_000, "b/c": b"c", "b/d": b"", "e": b"e" * 40_000}, PIECE_LENGTH)
    odd = build({"x": b"x" * 33_000}, PIECE_LENGTH)
    odd.info["file tree"]["l"] = {"": {"attr": "l", "length": 0, "symlink path": ["x"]}}
    odd.info["file tree"]["y"] = {"": {"attr": "xh", "length": 9, "pieces root": bytes(range(32)), "zzz": [{}]}}
    odd.info["file tree"]["z"] = {"empty": {}}
    seeds = []
    for built in (plain, odd):
        tree, layers = bencode.encode(built.info["file tree"]), bencode.encode(built.layers)
        seeds += [tree + BORDER + layers, tree + BORDER + b"de", tree]
    return seeds


_NOTHING = piece_root(b"", PIECE_LENGTH)
