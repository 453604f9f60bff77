"""Torrents of version 2, and hybrid ones, built from the bytes of their files, without the library's own code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.merkle_model import full_tree, leaves_of_content
from transfer.wire import bencode


@dataclass
class Built:
    """A torrent and what it should come to.

    Attributes:
        info: the info dictionary, to be changed by tests.
        layers: the piece layers by root.
        pieces: of version 2: the bytes of each piece, short at the ends of files.
        grid: the bytes of all files and what lies between them, as in a hybrid.
    """

    info: dict[str, Any]
    layers: dict[bytes, bytes]
    pieces: list[bytes] = field(default_factory=list)
    grid: bytes = b""

    @property
    def info_bytes(self) -> bytes:
        return bencode.encode(self.info)

    @property
    def data(self) -> bytes:
        """The content of a `.torrent` file."""
        return bencode.encode({b"info": self.info, b"piece layers": self.layers})


def build(
    files: Mapping[str, bytes],
    piece_length: int = 16384,
    *,
    name: str = "album",
    hybrid: bool = False,
    tail_padding: bool = True,
) -> Built:
    """A torrent of files by their paths, with slashes; a single file with the path `name` is no folder."""
    tree: dict[Any, Any] = {}
    built = Built({"file tree": tree, "meta version": 2, "name": name, "piece length": piece_length}, {})
    listed: list[dict[str, Any]] = []
    ordered = sorted(files.items(), key=lambda item: [part.encode() for part in item[0].split("/")])
    for number, (path, content) in enumerate(ordered):
        node, *above = tree, *path.split("/")
        for element in above:
            node = node.setdefault(element.encode(), {})
        node[b""] = {"length": len(content)}
        listed.append({"length": len(content), "path": path.split("/")})
        if not content:
            continue
        cut = [content[at : at + piece_length] for at in range(0, len(content), piece_length)]
        node[b""]["pieces root"] = root = file_root(content)
        if len(cut) > 1:
            built.layers[root] = b"".join(piece_root(piece, piece_length) for piece in cut)
        built.pieces += cut
        gap = -len(content) % piece_length
        built.grid += content
        if gap and (tail_padding or number < len(ordered) - 1):
            built.grid += bytes(gap)
            listed.append({"attr": "p", "length": gap, "path": [".pad", str(gap)]})
    if hybrid:
        cut = [built.grid[at : at + piece_length] for at in range(0, len(built.grid), piece_length)]
        built.info["pieces"] = b"".join(hashlib.sha1(piece).digest() for piece in cut)
        if list(files) == [name]:
            built.info["length"] = len(files[name])
            last = len(files[name]) % piece_length or piece_length
            built.info["pieces"] = built.info["pieces"][:-20] + hashlib.sha1(cut[-1][:last]).digest()
        else:
            built.info["files"] = listed
    return built


def file_root(content: bytes) -> bytes:
    """The `pieces root` of a file."""
    return full_tree(leaves_of_content(content))[-1][0]


def piece_root(piece: bytes, piece_length: int) -> bytes:
    """The node of a piece in the layer of a file that has several."""
    leaves = leaves_of_content(piece)
    return full_tree(leaves + [bytes(32)] * (piece_length // BLOCK - len(leaves)))[-1][0]


BLOCK = 16384
