"""Message stream encryption of peers: the layer of a call, and that of a connection that comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bittorrent.dialling.decisions import Call
from bittorrent.dialling.encryption import MSE_COVER, PLAIN_COVER, Encryption
from bittorrent.dialling.paths import DialPath
from bittorrent.identity.registry import TorrentRegistry
from bittorrent.wire.handshake import PREAMBLE
from transfer.aio.layered import LayerConfig, LayeredDialler
from transfer.aio.mse import MseAcceptor, MseDialler
from transfer.aio.transports import StreamDialler
from transfer.security.mse.keys import Rc4UnavailableError, require_rc4, torrent_mark
from transfer.security.mse.responder import ResponderConfig


class CoveredTransports:
    """The ways of one torrent to call peers: those that there are, and each plain one under the covers, too."""

    def __init__(self, transports: Mapping[DialPath, StreamDialler], encryption: Encryption) -> None:
        self._transports = transports
        self._encryption = encryption

    def of(self, call: Call) -> StreamDialler:
        """What carries a call. The key of its cover is the hash by which the peer is asked for the torrent."""
        path, info_hash = call.path, call.greeting.info_hash
        if path.cover != MSE_COVER or path in self._transports:
            return self._transports[path]
        return LayeredDialler(
            self._transports[replace(path, cover=PLAIN_COVER)],
            dial=lambda _: MseDialler(info_hash, provide=self._encryption.provide),
            config=LayerConfig(handshake_timeout_s=HANDSHAKE_TIMEOUT_S),
        )


def possible_encryption(wanted: Encryption) -> Encryption:
    """What this build of OpenSSL can do of it: all, or none where none is required.

    Raises:
        Rc4UnavailableError: it is required, and impossible.
    """
    if wanted is not Encryption.OFF:
        try:
            require_rc4()
        except Rc4UnavailableError:
            if wanted is Encryption.REQUIRED:
                raise
            return Encryption.OFF
    return wanted


def new_gate(torrents: TorrentRegistry[Any], encryption: Encryption) -> Gate | None:
    """Makes the layers of what comes in; None where no encryption is taken."""
    return None if encryption is Encryption.OFF else Gate(torrents, encryption)


class Gate:
    """Makes the layer of each connection that comes in.

    Args:
        torrents: that may be asked for: live.
    """

    def __init__(self, torrents: TorrentRegistry[Any], encryption: Encryption) -> None:
        self._torrents = torrents
        self._takes_plain = encryption.takes_plain
        self._config = ResponderConfig(methods=encryption.methods)
        self._skeys: dict[bytes, bytes] = {}
        self._seen_changes = -1

    def new_layer(self) -> MseAcceptor:
        """The layer of one connection."""
        return MseAcceptor(self.find, plain_prefix=PREAMBLE, takes_plain=self._takes_plain, config=self._config)

    def find(self, mark: bytes) -> bytes | None:
        """The hash of a torrent of ours that has this mark."""
        if self._seen_changes != self._torrents.changes:
            self._seen_changes = self._torrents.changes
            self._skeys = {torrent_mark(name): name for name in self._torrents.short_names()}
        return self._skeys.get(mark)


HANDSHAKE_TIMEOUT_S = 5.0  # shorter than a call may take in all, so that another cover is tried after it
