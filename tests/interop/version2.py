"""Version 2 and hybrid torrents that libtorrent made, and links to one hash or both."""

from __future__ import annotations

from pathlib import Path

import libtorrent as lt

from bittorrent import Magnet, Metainfo
from tests.interop.content import make_file

FLAGS = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}
SIZES = {
    "a/empty": 0,
    "a/one byte": 1,
    "b/less than a block": 9_999,
    "b/less than a piece": 40_000,
    "c/twin": 100_003,
    "d/twin again": 100_003,
    "e/one block more than pieces": 262_144 + 16_384,
    "e/whole pieces": 131_072,
    "z/last": 300_001,
}


def make_album(folder: Path, *, without: str = "", seed: int = 1) -> Path:
    """A folder with files of every awkward size; two of them are alike, unless one is left out."""
    sizes = {name: size for name, size in SIZES.items() if name != without}
    for number, (name, size) in enumerate(sizes.items()):
        make_file(folder / name, size, seed=seed if "twin" in name else seed + number)
    return folder


def made_by_libtorrent(source: Path, kind: str, *, piece_length: int = 1 << 16) -> Metainfo:
    """A torrent of what is there, as libtorrent makes it: "v1", "v2" or "hybrid"."""
    creator = lt.create_torrent(lt.list_files(str(source)), piece_length, FLAGS[kind])
    lt.set_piece_hashes(creator, str(source.parent))
    return Metainfo.from_bytes(lt.bencode(creator.generate()))


def link_to(metainfo: Metainfo, names: str) -> Metainfo | Magnet:
    """The torrent itself, or a link to the hashes that are named: "v1", "v2", "v1 v2"."""
    torrent_id, topics = metainfo.torrent_id, []
    if "v1" in names and torrent_id.v1 is not None:
        topics.append(f"xt=urn:btih:{torrent_id.v1.hex()}")
    if "v2" in names and torrent_id.v2 is not None:
        topics.append(f"xt=urn:btmh:1220{torrent_id.v2.hex()}")
    return Magnet.parse("magnet:?" + "&".join(topics)) if topics else metainfo
