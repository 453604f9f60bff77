"""nginx: a real web server for the files below one folder, on a free loopback port."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.interop.programs import Program


class Nginx(Program):
    """Serves `root` at `url`; `/moved/` redirects there.

    Args:
        rate_bytes_per_s: of each connection; 0 is as fast as it can.
    """

    name = "nginx"
    package = "nginx-light"

    def __init__(self, root: Path, *, rate_bytes_per_s: int = 0) -> None:
        super().__init__()
        self._root = root
        self._rate_bytes_per_s = rate_bytes_per_s

    @property
    def url(self) -> str:
        return f"http://{self.address}/"

    def arguments(self) -> Sequence[str]:
        config = self.directory / "nginx.conf"
        config.write_text(
            CONFIG.format(directory=self.directory, address=self.address, root=self._root, rate=self._rate_bytes_per_s)
        )
        return ("-p", str(self.directory), "-c", str(config), "-e", "stderr")

    def requests(self) -> list[str]:
        """What was asked so far: `<status> <range> <path>` of each request."""
        return (self.directory / "access.log").read_text().splitlines()


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
