"""nginx as an async context manager: a real web server for the files below one folder, on a free loopback port."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.programs import end_process, free_port, wait_until
from tests.interop.require import require_program
from transfer.address import Address


class Nginx:
    """Serves `root` at `url`; `/moved/` redirects there.

    Args:
        rate_bytes_per_s: of each connection; 0 is as fast as it can.
    """

    def __init__(self, root: Path, *, rate_bytes_per_s: int = 0) -> None:
        self.address = Address("127.0.0.1", free_port())
        self._root = root
        self._rate_bytes_per_s = rate_bytes_per_s
        self._directory: Path | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address}/"

    async def __aenter__(self) -> Self:
        program = require_program("nginx", "nginx-light")
        self._directory = Path(tempfile.mkdtemp(prefix="nginx-"))
        config = self._directory / "nginx.conf"
        config.write_text(
            CONFIG.format(directory=self._directory, address=self.address, root=self._root, rate=self._rate_bytes_per_s)
        )
        try:
            self._process = await asyncio.create_subprocess_exec(
                program,
                *("-p", str(self._directory), "-c", str(config), "-e", str(self._directory / "error.log")),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await wait_until(self._serves, what="nginx listens", within_s=20)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def requests(self) -> list[str]:
        """What was asked so far: `<status> <range> <path>` of each request."""
        assert self._directory is not None
        return (self._directory / "access.log").read_text().splitlines()

    async def _serves(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            assert self._directory is not None
            raise RuntimeError(f"nginx ended at once: {(self._directory / 'error.log').read_text()}")
        try:
            _, writer = await asyncio.open_connection(*self.address)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def _end(self) -> None:
        if self._process is not None:
            await end_process(self._process)
        if self._directory is not None:
            shutil.rmtree(self._directory)


# One process, without a change of user: it may read what the tests may read, and ends with one signal.
CONFIG = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    log_format ranges '$status $http_range $request_uri';
    access_log {directory}/access.log ranges;
    client_body_temp_path {directory}/1; proxy_temp_path {directory}/2; fastcgi_temp_path {directory}/3;
    uwsgi_temp_path {directory}/4; scgi_temp_path {directory}/5;
    gzip on; gzip_types *;
    server {{
        listen {address};
        root {root};
        limit_rate {rate};
        location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
    }}
}}
"""
