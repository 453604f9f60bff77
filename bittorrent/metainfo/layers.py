"""The piece layers of a version 2 torrent, which stand outside its info dictionary (BEP 52)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from bittorrent.errors import MetainfoError
from bittorrent.files.entry import FileEntry
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE
from transfer.wire.bencode import scan_string
from transfer.wire.bencode_parts import no_pause


def trees_of(files: Iterable[FileEntry], piece_length: int) -> dict[bytes, TreeShape]:
    """The tree of each file that is not empty, by its root. Equal files have one.

    Raises:
        MetainfoError: files of different length have the same root, which no content has.
    """
    found: dict[bytes, TreeShape] = {}
    for entry in files:
        if entry.pieces_root is not None:
            shape = found.get(entry.pieces_root)
            if shape is None:
                found[entry.pieces_root] = TreeShape(entry.length, piece_length)
            elif shape.length != entry.length:
                raise MetainfoError("the torrent says that files of different length have the same content")
    return found


def read_layers(data: bytes, span: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a bencoded dictionary of layers that `bencode.scan` has found valid, one after the other.

    Raises:
        MetainfoError: something that is not text.
    """
    position, end = span[0] + 1, span[1] - 1
    while position < end:
        root, position = scan_string(data, position)
        if data[position] in b"dli":
            raise MetainfoError("a piece layer of the torrent is not text")
        layer, position = scan_string(data, position)
        yield root, layer


def check_layers(
    trees: Mapping[bytes, TreeShape], layers: Iterable[tuple[bytes, bytes]], *, pause: Callable[[], None] = no_pause
) -> dict[bytes, bytes]:
    """The layers by root, each of which is right: some of those that the torrent needs, or all.

    Args:
        pause: called after each.

    Raises:
        MetainfoError: one belongs to no file that is larger than a piece, or does not hash to the root of its file.
    """
    checked: dict[bytes, bytes] = {}
    for root, layer in layers:
        shape = trees.get(root)
        if shape is None or not shape.needs_layer:
            raise MetainfoError("a piece layer of the torrent belongs to no file that needs one")
        if shape.root_of_layer(layer) != root:
            raise MetainfoError(
                f"a piece layer of the torrent is wrong: its {len(layer) / HASH_SIZE:g} hashes do not lead to the root"
                f" of a file of {shape.piece_count} pieces"
            )
        checked[root] = layer
        pause()
    return checked


def lacks_layers(trees: Mapping[bytes, TreeShape], layers: Mapping[bytes, bytes]) -> bool:
    """Whether a layer is missing."""
    return any(shape.needs_layer and root not in layers for root, shape in trees.items())
