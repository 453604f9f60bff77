"""Making a torrent out of a file or a folder (BEP 3). It reads the files, so it takes as long as hashing them does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError, StorageError
from bittorrent.files.names import is_state_folder
from bittorrent.files.paths import shorten
from bittorrent.metainfo.announce import parse_nodes, parse_trackers, parse_url
from bittorrent.metainfo.content import DEFAULT_LIMITS
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import SHA1_SIZE, Sha1Hasher
from bittorrent.storage.hashing import SourceFile, hash_pieces
from bittorrent.storage.scan import scan_files
from transfer.wire import bencode

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from transfer.address import Address
    from transfer.wire.bencode import Encodable, Value

MIN_PIECE_LENGTH = 16 << 10
MAX_AUTOMATIC_PIECE_LENGTH = 16 << 20
TARGET_PIECES = 2000  # the automatic piece length gives about 1000 to 2000 pieces: 20 to 40 kB of hashes


def create_metainfo(
    path: str | os.PathLike[str],
    *,
    piece_length: int | None = None,
    trackers: Iterable[str | Sequence[str]] = (),
    private: bool = False,
    comment: str | None = None,
    source: str | None = None,
    created_by: str | None = "kademlia-core",
    creation_date: int | None = None,
    web_seeds: Iterable[str] = (),
    nodes: Iterable[tuple[str, int]] = (),
    align: bool = False,
    attributes: bool = False,
    exclude: Sequence[str] = (),
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Metainfo:
    """Hashes a file, or all files below a folder, in the order of their paths.

    Hidden and empty files are included. Symbolic links are followed, as seeding does. Sockets, pipes and devices are
    left out, and so is this library's own `.kad` folder directly inside the shared one. Names are taken as they are,
    UTF-8 or not; what others cannot store under its name (`FileEntry.original`) they store under another.

    Args:
        piece_length: a power of two from 16 KiB on; chosen by `choose_piece_length` when not given.
        trackers: a string is a tier of its own, a sequence of strings is one tier (BEP 12).
        private: peers come from the trackers only (BEP 27).
        source: part of what the info-hash is made of: private trackers use it to have a torrent of their own.
        creation_date: seconds since 1970; left out when not given, so that equal files give equal torrents.
        web_seeds: URLs where the same files can be had over HTTP; for a folder they end with a slash (BEP 19).
        nodes: DHT nodes to begin with, each a host (an IP address or a name) and a port: for a network of one's own, or
            for the seed's own node (BEP 5).
        align: fill up behind each file, so that the next one begins with a piece of its own (BEP 47).
        attributes: keep what is executable or hidden, and symbolic links within the folder as links (BEP 47).
        exclude: patterns such as `*.tmp`, of names or of paths below `path`: what they mean is left out.
        executor: hashes in its threads at the same time; without one everything happens in the caller's.
        progress: called with the hashed and the total number of bytes, about once for each MiB.

    Raises:
        StorageError: something cannot be read, changed meanwhile, or there is nothing to share.
        MetainfoError: a piece length that cannot be used, too many files, this library's own folder, a node that is
            none, or nodes for a private torrent.
    """
    root = os.path.abspath(path)
    name = os.path.basename(root)
    if not name:
        raise StorageError(f"cannot share {root}: it has no name; choose a folder inside it", path=root)
    if is_state_folder(name):
        raise MetainfoError(f"cannot share {root}: that folder is where downloads keep their state")
    tiers = _check_trackers(trackers)
    seeds = _check_web_seeds(web_seeds)
    entrances = _check_nodes(nodes, private=private)
    files = scan_files(root, attributes=attributes, exclude=exclude)
    total_bytes = sum(file.length for file in files)
    if total_bytes == 0:
        raise StorageError(f"cannot share {root}: it holds no data", path=root)
    if piece_length is None:
        piece_length = choose_piece_length(total_bytes)
    _check_piece_length(piece_length, total_bytes)
    if align and files[0].path:
        files = _align(files, piece_length)
    info: dict[bytes, Encodable] = {
        b"name": os.fsencode(name),
        b"piece length": piece_length,
        b"pieces": hash_pieces(files, piece_length, Sha1Hasher(), executor=executor, progress=progress),
    }
    if files[0].path:
        info[b"files"] = [_listed(file) for file in files]
    else:
        info[b"length"] = total_bytes
        if files[0].attributes:
            info[b"attr"] = files[0].attributes
    if private:
        info[b"private"] = 1
    if source is not None:
        info[b"source"] = source
    return Metainfo.from_info(
        bencode.encode(info),
        trackers=tiers,
        web_seeds=seeds,
        nodes=entrances,
        comment=comment,
        created_by=created_by,
        creation_date=creation_date,
    )


def choose_piece_length(total_bytes: int) -> int:
    """The smallest power of two from 16 KiB to 16 MiB that cuts `total_bytes` into at most 2000 pieces."""
    piece_length = MIN_PIECE_LENGTH
    while piece_length < MAX_AUTOMATIC_PIECE_LENGTH and piece_length * TARGET_PIECES < total_bytes:
        piece_length *= 2
    return piece_length


def _align(files: Sequence[SourceFile], piece_length: int) -> list[SourceFile]:
    """Puts padding between the files: none behind the last, which need not be followed by anything."""
    aligned: list[SourceFile] = []
    missing = 0
    for file in files:
        if file.length and missing:
            aligned.append(SourceFile((".pad", str(missing)), "", missing, 0, "p"))
            missing = 0
        aligned.append(file)
        missing = (missing - file.length) % piece_length
    return aligned


def _listed(file: SourceFile) -> dict[bytes, Encodable]:
    entry: dict[bytes, Encodable] = {b"length": file.length, b"path": file.raw_path}
    if file.attributes:
        entry[b"attr"] = file.attributes
    if file.link_to:
        entry[b"symlink path"] = [os.fsencode(element) for element in file.link_to]
    return entry


def _check_web_seeds(web_seeds: Iterable[str]) -> tuple[str, ...]:
    urls = tuple(web_seeds)
    for url in urls:
        if not url.startswith(("http://", "https://")) or parse_url(url.encode(errors="surrogatepass")) is None:
            raise MetainfoError(f"{shorten(url)} is not the URL of a web seed, such as http://HOST/FILE")
    return tuple(dict.fromkeys(urls))


def _check_nodes(nodes: Iterable[tuple[str, int]], *, private: bool) -> tuple[Address, ...]:
    listed: list[Value] = [[host.encode(errors="surrogatepass"), port] for host, port in nodes]
    if listed and private:
        raise MetainfoError("a private torrent gets its peers from trackers only: it cannot name DHT nodes")
    for node in listed:
        if not parse_nodes({b"nodes": [node]}, limit=1):
            raise MetainfoError(f"{shorten(str(node))} is not a DHT node, a host name or IP address and a port")
    return parse_nodes({b"nodes": listed}, limit=DEFAULT_LIMITS.nodes)


def _check_trackers(trackers: Iterable[str | Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    tiers = [[tier] if isinstance(tier, str) else list(tier) for tier in trackers]
    for url in (url for tier in tiers for url in tier):
        if parse_url(url.encode(errors="surrogatepass")) is None:
            raise MetainfoError(f"{shorten(url)} is not the URL of a tracker, such as http://HOST:PORT/announce")
    return parse_trackers(
        {b"announce-list": [[url.encode() for url in tier] for tier in tiers]}, limit=DEFAULT_LIMITS.trackers
    )


def _check_piece_length(piece_length: int, total_bytes: int) -> None:
    if piece_length < MIN_PIECE_LENGTH or piece_length & (piece_length - 1):
        raise MetainfoError(f"the piece length must be a power of two from {MIN_PIECE_LENGTH} on, not {piece_length}")
    if piece_length > DEFAULT_LIMITS.piece_length_bytes:
        raise MetainfoError(f"the piece length must be at most {DEFAULT_LIMITS.piece_length_bytes}, not {piece_length}")
    hashes_size = Geometry.of(total_bytes, piece_length).piece_count * SHA1_SIZE
    if hashes_size > DEFAULT_LIMITS.size_bytes // 2:
        raise MetainfoError(
            f"pieces of {piece_length} bytes would make a torrent of {hashes_size} bytes; use larger ones"
        )
