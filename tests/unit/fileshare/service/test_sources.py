"""What SOURCE may be."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from bittorrent.creating.create import create_metainfo
from bittorrent.errors import StorageError
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.resume import ResumeStore
from fileshare.cli.errors import error_text
from fileshare.service.errors import NotKeptError, ServiceError
from fileshare.service.sources import is_url, kept_torrent, read_source

INFO_HASH = bytes(range(20))


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    (tmp_path / "film").write_bytes(b"film")
    return create_metainfo(tmp_path / "film", trackers=["http://one.example/announce"])


@pytest.mark.parametrize(
    "text",
    [
        INFO_HASH.hex(),
        INFO_HASH.hex().upper(),
        f" {INFO_HASH.hex()}\n",
        base64.b32encode(INFO_HASH).decode(),
        base64.b32encode(INFO_HASH).decode().lower(),
        f"magnet:?xt=urn:btih:{INFO_HASH.hex()}",
        f"  MAGNET:?xt=urn:btih:{INFO_HASH.hex()}",
    ],
)
def test_an_info_hash_is_as_good_as_a_magnet_link(text: str) -> None:
    assert read_source(text) == Magnet(v1=INFO_HASH)


@pytest.mark.parametrize("text", [64 * "a", "1220" + 64 * "A"])
def test_an_info_hash_of_version_2_has_64_digits(text: str) -> None:
    assert read_source(text) == read_source(f"magnet:?xt=urn:btmh:1220{64 * 'a'}") == Magnet(v2=32 * b"\xaa")


@pytest.mark.parametrize("text", [39 * "a", 41 * "a", 40 * "g", 32 * "1", 63 * "a", "film.torrent"])
def test_everything_else_is_the_name_of_a_file(text: str) -> None:
    with pytest.raises(StorageError, match="No such file"):
        read_source(text)


def test_a_file_that_is_called_like_an_info_hash_is_a_file(
    tmp_path: Path, metainfo: Metainfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (40 * "a", 32 * "b", 64 * "c"):
        (tmp_path / name).write_bytes(metainfo.to_bytes())
        assert read_source(name) == metainfo


@pytest.mark.parametrize("text", ["http://a.example/x.torrent", "HTTPS://a.example/x", " http://[::1]:80/x"])
def test_urls(text: str) -> None:
    assert is_url(text)


@pytest.mark.parametrize("text", ["ftp://a.example/x.torrent", "file:///x.torrent", "udp://a.example:80"])
def test_other_schemes_are_refused_with_what_can_be_done(text: str) -> None:
    assert not is_url(text)
    with pytest.raises(ServiceError, match=r"is not supported: name a \.torrent file, its http\(s\) URL"):
        read_source(text)


@pytest.mark.parametrize("where", ["beside", "state", "both"])
def test_a_kept_torrent_is_found_beside_the_content_and_in_the_state_folder(
    tmp_path: Path, metainfo: Metainfo, where: str
) -> None:
    if where != "state":
        ResumeStore(tmp_path).save(metainfo)
    if where != "beside":
        ResumeStore(tmp_path, state_dir=tmp_path / "state").save(metainfo)
    magnet = Magnet(v1=metainfo.info_hash)
    assert kept_torrent(magnet, tmp_path, state_dir=tmp_path / "state") == metainfo
    assert ResumeStore(tmp_path, state_dir=tmp_path / "state").load(metainfo.torrent_id, Metainfo.from_file) == metainfo
    assert (ResumeStore(tmp_path).load(metainfo.torrent_id, Metainfo.from_file) is None) == (where == "state")


def test_what_was_never_downloaded_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    link = Magnet(v1=INFO_HASH, name="film")
    with pytest.raises(NotKeptError, match=r"film: .* holds no download of this magnet link") as caught:
        kept_torrent(link, tmp_path)
    assert "of this magnet link; name the directory" in error_text(caught.value)
    assert os.listdir(tmp_path) == []
