"""The files of a torrent over HTTP, while they are downloaded: for media players and browsers."""

from __future__ import annotations

import asyncio
import mimetypes
from html import escape
from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib.parse import quote

from aiohttp import hdrs, web

from bittorrent import FileEntry, FileStream, Torrent
from fileshare.byte_range import UnsatisfiableRangeError, parse_range
from fileshare.http_door import HttpDoor, quiet_logger
from fileshare.visitors import VisitorConfig
from transfer import Address, TransferError


class FileServer:
    """Serves one torrent: `GET` and `HEAD` of each file by its path, with ranges, and a list of all files at `/`.

    Every request is a reader of its own: a player that jumps asks anew, and what it gave up is not fetched any more.
    Usage: `async with FileServer(torrent) as server: print(server.url(entry))`.

    Args:
        host: the address to listen on. On loopback only requests that name this machine are answered, so that a web
            page somewhere cannot read the files through a name that it lets point here.
        config: how many may be connected, and for how long without asking for anything.

    Raises:
        OSError: on entry, when the address cannot be listened on.
    """

    def __init__(
        self, torrent: Torrent, *, host: str = "127.0.0.1", port: int = 0, config: VisitorConfig | None = None
    ) -> None:
        self._torrent = torrent
        self._host = host
        self._port = port
        self._config = config or VisitorConfig()
        self._runner: web.AppRunner | None = None
        self._door: HttpDoor | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        door = self._door = HttpDoor(self._config)
        app = web.Application(middlewares=[door.middleware()])
        app.router.add_get("/", self._list)  # HEAD comes with it
        app.router.add_get("/{path:.+}", self._serve)
        # A player that leaves ends its request at once, and with it the wait for a piece.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0, logger=quiet_logger()
        )
        await self._runner.setup()
        assert self._runner.server is not None
        door.server = self._runner.server
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(door.new_connection, self._host, self._port)
        except OSError:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self._server is not None
        assert self._door is not None
        self._server.close()
        self._door.close()
        await self._runner.cleanup()
        await self._server.wait_closed()

    @property
    def address(self) -> Address:
        """Where the server listens."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(str(host), int(port))

    def url(self, entry: FileEntry) -> str:
        """Where a file is served."""
        host = self.address.host
        reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://{Address(reachable, self.address.port)}/{quote('/'.join(entry.path))}"

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self._check_host(request)
        metainfo = await self._torrent.wait_metadata()
        links = "\n".join(
            f'<li><a href="/{escape(quote("/".join(entry.path)))}">{escape(str(entry))}</a> {entry.length} bytes</li>'
            for entry in metainfo.visible_files
        )
        title = escape(metainfo.name)
        text = f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1><ul>\n{links}\n</ul>\n"
        return web.Response(text=text, content_type="text/html", headers=_SAFE)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._check_host(request)
        metainfo = await self._torrent.wait_metadata()
        path = request.match_info["path"]
        fitting = (n for n, entry in enumerate(metainfo.files) if str(entry) == path and not entry.is_padding)
        number = next(fitting, None)
        if number is None:
            raise web.HTTPNotFound(text="no such file in this torrent\n")
        entry = metainfo.files[number]
        tag = f'"{metainfo.info_hash.hex()}-{number}"'
        headers = {**_SAFE, hdrs.ACCEPT_RANGES: "bytes", hdrs.ETAG: tag, hdrs.CONTENT_TYPE: _type_of(entry)}
        if request.headers.get(hdrs.IF_NONE_MATCH, "").strip() == tag:
            raise web.HTTPNotModified(headers={hdrs.ETAG: tag})
        asked = request.headers.get(hdrs.RANGE)
        if request.headers.get(hdrs.IF_RANGE, tag).strip() != tag:
            asked = None
        try:
            wanted = parse_range(asked, entry.length)
        except UnsatisfiableRangeError as error:
            headers[hdrs.CONTENT_RANGE] = f"bytes */{entry.length}"
            raise web.HTTPRequestRangeNotSatisfiable(headers=headers, text=f"{error}\n") from None
        if wanted is not None:
            headers[hdrs.CONTENT_RANGE] = f"bytes {wanted.start}-{wanted.stop - 1}/{entry.length}"
        part = wanted if wanted is not None else range(entry.length)
        response = web.StreamResponse(status=200 if wanted is None else 206, headers=headers)
        response.content_length = len(part)
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        try:
            async with self._torrent.open(number) as file:
                await response.prepare(request)
                await _send(file, part, response)
        except TransferError as error:
            if not response.prepared:
                raise web.HTTPServiceUnavailable(text=f"{error}\n") from None
            if request.transport is not None:
                request.transport.abort()  # too late to say so otherwise; the length shows that it is not all
        except ConnectionError:
            pass  # the player has left
        return response

    def _check_host(self, request: web.Request) -> None:
        if _is_loopback(self._host) and not _is_loopback(_host_of(request.host)):
            raise web.HTTPForbidden(text="this server is for programs on this machine only\n")


async def _send(file: FileStream, part: range, response: web.StreamResponse) -> None:
    await file.seek(part.start)
    left = len(part)
    while left:
        data = await file.read(min(left, CHUNK_BYTES))
        await response.write(data)
        left -= len(data)


def _type_of(entry: FileEntry) -> str:
    name = entry.path[-1]
    known = _TYPES.get(name.rpartition(".")[2].lower())
    guessed = known or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return "text/plain" if guessed.startswith(ACTIVE_TYPES) else guessed


def _host_of(header: str) -> str:
    """The name or address in a `Host` header, without the port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


CHUNK_BYTES = 256 << 10
# Files are a stranger's: none of them is shown as a page that could do something.
ACTIVE_TYPES = ("text/html", "application/xhtml", "image/svg", "text/xml", "application/xml", "application/pdf")
_SAFE = {"X-Content-Type-Options": "nosniff"}
_TYPES = {  # not in Python's list, or not everywhere
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "avi": "video/x-msvideo",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "m4a": "audio/mp4",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
}
