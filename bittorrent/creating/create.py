"""Making a torrent out of a file or a folder (BEP 3, 52). It reads the files: it takes as long as hashing them does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from bittorrent.creating.content import TorrentFormat, read_files
from bittorrent.creating.padding import padding_bytes
from bittorrent.errors import MetainfoError, StorageError
from bittorrent.files.names import is_state_folder
from bittorrent.files.paths import shorten
from bittorrent.merkle.tree import HASH_SIZE
from bittorrent.metainfo.announce import parse_nodes, parse_trackers, parse_url
from bittorrent.metainfo.content import DEFAULT_LIMITS
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.hasher import SHA1_SIZE
from bittorrent.storage.scan import scan_files
from transfer.wire import bencode

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bittorrent.storage.hashing import SourceFile
    from transfer.address import Address
    from transfer.wire.bencode import Encodable, Value

MIN_PIECE_LENGTH = 16 << 10
MAX_AUTOMATIC_PIECE_LENGTH = 16 << 20
TARGET_PIECES = 2000  # the automatic piece length gives about 1000 to 2000 pieces: 20 to 40 kB of hashes


def create_metainfo(
    path: str | os.PathLike[str],
    *,
    format: str = TorrentFormat.V1,
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
    similar: Iterable[bytes] = (),
    collections: Iterable[str] = (),
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Metainfo:
    """Hashes a file, or all files below a folder, in the order of their paths.

    Hidden and empty files are included. Symbolic links are followed, as seeding does. Sockets, pipes and devices are
    left out, and so is this library's own `.kad` folder directly inside the shared one. Names are taken as they are,
    UTF-8 or not; what others cannot store under its name (`FileEntry.original`) they store under another.

    Args:
        format: a `TorrentFormat`, or its text: "v1" is what every program reads; "v2" has a tree of SHA-256 for each
            file, so that single blocks can be verified and equal files are known to be equal, and is not read by many
            programs; "hybrid" is both in one.
        piece_length: a power of two from 16 KiB on; chosen by `choose_piece_length` when not given.
        trackers: a string is a tier of its own, a sequence of strings is one tier (BEP 12).
        private: peers come from the trackers only (BEP 27).
        source: part of what the info-hash is made of: private trackers use it to have a torrent of their own.
        creation_date: seconds since 1970; left out when not given, so that equal files give equal torrents.
        web_seeds: URLs where the same files can be had over HTTP; for a folder they end with a slash (BEP 19).
        nodes: DHT nodes to begin with, each a host (an IP address or a name) and a port: for a network of one's own, or
            for the seed's own node (BEP 5).
        align: fill up behind each file, so that the next one begins with a piece of its own (BEP 47); the files of the
            formats "v2" and "hybrid" always do.
        attributes: keep what is executable or hidden, and symbolic links within the folder as links (BEP 47).
        exclude: patterns such as `*.tmp`, of names or of paths below `path`: what they mean is left out.
        similar: info-hashes (20 or 32 bytes) of torrents with some of the same files, for others to find them (BEP 38).
        collections: names of collections; all torrents in one may have files in common.
        executor: hashes in its threads at the same time; without one everything happens in the caller's.
        progress: called with the hashed and the total number of bytes, about once for each MiB.

    Raises:
        StorageError: something cannot be read, changed meanwhile, or there is nothing to share.
        MetainfoError: a format that there is not, or that cannot hold this (version 2: a folder of one file), a piece
            length that cannot be used, too many files or too deep folders, this library's own folder, a node that is
            none, or nodes for a private torrent.
    """
    form = _parse_format(format)
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
    if form is TorrentFormat.V2 and len(files) == len(files[0].path) == 1:
        raise MetainfoError(
            f"cannot share {root}: a torrent of version 2 cannot tell a folder of one file from that file; share"
            f" {files[0].location} itself, or choose the format v1 or hybrid"
        )
    if piece_length is None:
        piece_length = choose_piece_length(total_bytes)
        if form is TorrentFormat.HYBRID:
            piece_length = _shorten_for_padding(piece_length, files)
    _check_piece_length(piece_length, files, form)
    content = read_files(
        files, os.fsencode(name), piece_length, form, align=align, executor=executor, progress=progress
    )
    info = {b"name": os.fsencode(name), b"piece length": piece_length, **content.info}
    if private:
        info[b"private"] = 1
    if source is not None:
        info[b"source"] = source
    info.update(_relations(similar, collections))
    return Metainfo.from_info(
        bencode.encode(info),
        layers=content.layers,
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


def _parse_format(text: str) -> TorrentFormat:
    try:
        return TorrentFormat(text)
    except ValueError:
        formats = ", ".join(TorrentFormat)
        raise MetainfoError(f"the format of a torrent is one of {formats}, not {shorten(str(text))}") from None


def _relations(similar: Iterable[bytes], collections: Iterable[str]) -> dict[bytes, Encodable]:
    hashes, names = list(dict.fromkeys(similar)), [name.encode() for name in dict.fromkeys(collections)]
    for value in hashes:
        if len(value) not in (SHA1_SIZE, HASH_SIZE):
            raise MetainfoError(f"{shorten(value.hex())} is not the info-hash of a similar torrent")
    return {**({b"similar": hashes} if hashes else {}), **({b"collections": names} if names else {})}


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


def _shorten_for_padding(piece_length: int, files: Sequence[SourceFile]) -> int:
    """A piece length with which the padding of a hybrid, all of which is hashed, is no more than what is in the files.

    Every file has a piece at least, so shorter ones add no more than as many pieces as there are files.
    """
    total_bytes = sum(file.length for file in files)
    while piece_length > MIN_PIECE_LENGTH and padding_bytes(files, piece_length) > total_bytes:
        piece_length //= 2
    return piece_length


def _check_piece_length(piece_length: int, files: Sequence[SourceFile], form: TorrentFormat) -> None:
    if piece_length < MIN_PIECE_LENGTH or piece_length & (piece_length - 1):
        raise MetainfoError(f"the piece length must be a power of two from {MIN_PIECE_LENGTH} on, not {piece_length}")
    if piece_length > DEFAULT_LIMITS.piece_length_bytes:
        raise MetainfoError(f"the piece length must be at most {DEFAULT_LIMITS.piece_length_bytes}, not {piece_length}")
    if form is TorrentFormat.V1:
        hashes_size = -(-sum(file.length for file in files) // piece_length) * SHA1_SIZE
    else:
        piece_count = sum(-(-file.length // piece_length) for file in files)
        hashes_size = piece_count * (HASH_SIZE + SHA1_SIZE * (form is TorrentFormat.HYBRID))
    if hashes_size > DEFAULT_LIMITS.size_bytes // 2:
        raise MetainfoError(
            f"pieces of {piece_length} bytes would make a torrent of {hashes_size} bytes; use larger ones,"
            " or share fewer files"
        )
