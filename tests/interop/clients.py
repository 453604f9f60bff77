"""The clients that a test can be run with, one after another: they are started, told and asked alike."""

from __future__ import annotations

from typing import TypeAlias

import pytest

from tests.interop.aria2 import Aria2
from tests.interop.libtorrent_peer import LibtorrentPeer

Client: TypeAlias = type[LibtorrentPeer] | type[Aria2]

CLIENTS = pytest.mark.parametrize("client", [LibtorrentPeer, Aria2], ids=["libtorrent", "aria2"])
