"""What users catch, and what they read."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest

from bittorrent.errors import (
    BitTorrentError,
    MagnetError,
    MetadataError,
    MetainfoError,
    MissingDataError,
    NoPeersError,
    StorageError,
    TorrentStoppedError,
    TrackerError,
    WireError,
)
from transfer.errors import DecodeError, RemoteProtocolError, TransferError


@pytest.mark.parametrize(
    ("error", "families"),
    [
        (MetainfoError, (DecodeError, ValueError)),
        (MagnetError, (DecodeError, ValueError)),
        (WireError, (RemoteProtocolError, ConnectionError)),
        (StorageError, (OSError,)),
        (MissingDataError, (StorageError, OSError)),
        (TrackerError, (ConnectionError,)),
        (NoPeersError, (ConnectionError,)),
        (MetadataError, (ConnectionError,)),
        (TorrentStoppedError, (RuntimeError,)),
    ],
)
def test_every_error_is_caught_by_its_families_and_keeps_its_text(
    error: type[BitTorrentError], families: tuple[type[Exception], ...]
) -> None:
    for family in (*families, BitTorrentError, TransferError):
        with pytest.raises(family) as raised:
            raise error("what went wrong")
        assert str(raised.value) == "what went wrong"
        assert str(pickle.loads(pickle.dumps(raised.value))) == "what went wrong"


def test_a_full_disk_says_what_to_do() -> None:
    error = StorageError.from_os_error("write", Path("/x/y"), OSError(errno.ENOSPC, "whatever"))
    assert str(error) == f"cannot write /x/y: {os.strerror(errno.ENOSPC)}; free some space and start again"
    assert (error.path, error.errno) == ("/x/y", errno.ENOSPC)


def test_a_system_error_without_advice_or_number() -> None:
    assert (
        str(StorageError.from_os_error("read", "f", OSError(errno.EIO, "x")))
        == f"cannot read f: {os.strerror(errno.EIO)}"
    )
    error = StorageError.from_os_error("read", "f", OSError("strange"))
    assert (str(error), error.errno) == ("cannot read f: strange", None)
    assert type(MissingDataError.from_os_error("read", "f", OSError("gone"))) is MissingDataError


def test_attributes() -> None:
    assert MetainfoError("why").reason == "why"
    assert TrackerError("tracker x: no", failure_reason="no").failure_reason == "no"
    assert TrackerError("tracker x is silent").failure_reason is None
