"""rtorrent: a client with a terminal for a face, told what to do by XML-RPC over SCGI on a local socket."""

from __future__ import annotations

import asyncio
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from bittorrent import Magnet, Metainfo
from tests.interop.programs import Program, wait_until
from tests.interop.require import require_program


class Rtorrent(Program):
    """A client at `address`, which seeds what it has until it is closed.

    It runs in a terminal that `script` makes, with a configuration of its own. It loads nothing without a tracker, so
    what has none gets one that nobody answers at. Its DHT, its peer exchange and UDP
    trackers are off, and it speaks plain or encrypted, as others like.
    """

    name = "script"
    package = "bsdutils rtorrent"
    grace_s = 2.0
    environment: ClassVar[Mapping[str, str]] = {"TERM": "xterm"}  # it draws, though nobody looks

    def arguments(self) -> Sequence[str]:
        rtorrent = require_program("rtorrent", "rtorrent")
        for folder in ("session", "downloads"):
            (self.directory / folder).mkdir()
        host, port = self.address
        configuration = self.directory / "rtorrent.rc"
        configuration.write_text(
            "\n".join(
                (
                    f"network.scgi.open_local = {self._socket}",
                    f"session.path.set = {self.directory / 'session'}",
                    f"directory.default.set = {self.directory / 'downloads'}",
                    f"network.port_range.set = {port}-{port}",
                    "network.port_random.set = no",
                    f"network.bind_address.set = {host}",
                    f"network.local_address.set = {host}",
                    "dht.mode.set = disable",
                    "protocol.pex.set = no",
                    "trackers.use_udp.set = no",
                    "protocol.encryption.set = allow_incoming,try_outgoing,enable_retry",
                    "pieces.hash.on_completion.set = no",
                    "system.umask.set = 0022",
                )
            )
            + "\n"
        )
        command = f"exec {rtorrent} -n -o import={configuration}"
        return ("--quiet", "--return", "--command", command, "/dev/null")

    async def serves(self) -> bool:
        await self._call("system.client_version")
        return True

    async def add(
        self,
        folder: Path,
        source: Metainfo | Magnet,
        *,
        seed: bool = False,
        select: Sequence[int] = (),
    ) -> str:
        """Starts a torrent, which begins with a check of what is there; returns its info-hash in hex.

        Args:
            folder: where the content is or goes: for a torrent of several files the folder that holds theirs.
            seed: wait until the check has found that everything is there.
            select: the numbers of the files that it shall fetch, from 0.
        """
        info_hash = source.info_hash.hex().upper()
        folder.mkdir(parents=True, exist_ok=True)  # it makes the last one only
        options = [f'd.directory_base.set="{folder}"']
        if isinstance(source, Metainfo):
            raw = source.to_bytes()
            if not source.trackers:
                raw = b"d8:announce%d:%s" % (len(NO_TRACKER), NO_TRACKER) + raw[1:]
            await self._call("load.raw", "", xmlrpc.client.Binary(raw), *options)
        else:
            link = str(source) if source.trackers else f"{source}&tr={quote(NO_TRACKER.decode(), safe='')}"
            await self._call("load.start", "", link, *options)

        async def is_loaded() -> bool:
            try:
                return bool(await self._call("d.hash", info_hash))
            except xmlrpc.client.Fault:
                return False

        await wait_until(is_loaded, what="rtorrent has loaded the torrent", within_s=20)
        if isinstance(source, Metainfo):
            if select:
                for number in range(len(source.files)):
                    await self._call("f.priority.set", f"{info_hash}:f{number}", int(number in select))
                await self._call("d.update_priorities", info_hash)
            await self._call("d.start", info_hash)
        if seed:
            await self.wait_complete(info_hash)
        return info_hash

    async def add_peer(self, info_hash: str, host: str, port: int) -> None:
        """Names a peer; one that is named before the torrent runs is forgotten."""
        await self._call("add_peer", info_hash, f"{host}:{port}")

    async def status(self, info_hash: str) -> dict[str, Any]:
        """What it says of a torrent: bytes, connections, and its own words."""
        names = (
            "d.bytes_done",
            "d.left_bytes",
            "d.complete",
            "d.wanted_chunks",
            "d.is_meta",
            "d.peers_connected",
            "d.message",
        )
        return {name: await self._call(name, info_hash) for name in names}

    async def wait_complete(
        self, info_hash: str, *, peer: tuple[str, int] | None = None, within_s: float = 60.0
    ) -> None:
        """Returns once everything that is wanted is in its file.

        Args:
            peer: whom to call, again and again while there is no connection.
        """

        async def is_complete() -> bool:
            try:
                status = await self.status(info_hash)
            except xmlrpc.client.Fault:  # a magnet link becomes a torrent
                return False
            has_all = status["d.complete"] or not status["d.wanted_chunks"]  # chosen files are not all of it
            is_complete = bool(has_all) and not status["d.is_meta"]
            if peer is not None and not is_complete and not status["d.peers_connected"]:
                with suppress(xmlrpc.client.Fault):
                    await self.add_peer(info_hash, *peer)
                await asyncio.sleep(0.2)
            return is_complete

        await wait_until(is_complete, what=f"rtorrent has all of {info_hash}", within_s=within_s)

    async def stop(self, info_hash: str) -> None:
        """Ends its connections, and forgets it."""
        await self._call("d.stop", info_hash)
        await self._call("d.close", info_hash)
        await self._call("d.erase", info_hash)

    @property
    def _socket(self) -> Path:
        return self.directory / "rpc"

    async def _call(self, method: str, *arguments: Any) -> Any:
        """One XML-RPC call, wrapped as SCGI wants it: headers as a netstring, then the body."""
        body = xmlrpc.client.dumps(arguments, method).encode()
        headers = b"".join(b"%s\0%s\0" % header for header in ((b"CONTENT_LENGTH", b"%d" % len(body)), (b"SCGI", b"1")))
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            writer.write(b"%d:%s,%s" % (len(headers), headers, body))
            answer = await reader.read()
        finally:
            writer.close()
        _, _, content = answer.partition(b"\r\n\r\n")
        if not content:
            raise OSError("rtorrent did not answer")
        (value,), _ = xmlrpc.client.loads(content, use_builtin_types=True)
        return value


STATUS = (
    "d.bytes_done",
    "d.left_bytes",
    "d.complete",
    "d.wanted_chunks",
    "d.is_meta",
    "d.peers_connected",
    "d.message",
)
NO_TRACKER = b"http://127.0.0.1:9/announce"
