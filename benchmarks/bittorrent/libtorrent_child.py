"""One libtorrent session or many in a process of its own, told what to do by JSON lines; adds measuring to the child
of the interoperability tests."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import libtorrent as lt

from benchmarks.bittorrent.usage import cpu_s, peak_rss_bytes
from tests.interop.libtorrent_child import QUIET_LOCAL_SESSION


class Child:
    """One method `do_<name>` for each command; each of the sessions gets every torrent."""

    def __init__(self, hosts: list[str], port: int, settings: dict[str, Any]) -> None:
        start: Any = lt.session  # the stub does not know that a plain dict does
        self.sessions: list[lt.session] = []
        for host in hosts:
            own = {"listen_interfaces": f"{host}:{port}", "outgoing_interfaces": host if len(hosts) > 1 else ""}
            self.sessions.append(start({**QUIET_LOCAL_SESSION, **own, **settings}))
        self.handles: dict[str, list[Any]] = {}
        self._began_cpu_s = 0.0

    def run(self, command: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = getattr(self, "do_" + command.pop("do"))(**command)
        return result

    def do_port(self) -> dict[str, Any]:
        return {"port": min(session.listen_port() for session in self.sessions)}

    def do_add(
        self, save_path: str, torrent: str, seed: bool = False, upload_limit_bytes_per_s: int = 0
    ) -> dict[str, Any]:
        handles = []
        for session in self.sessions:
            params = lt.load_torrent_buffer(base64.b64decode(torrent))
            params.save_path = save_path
            params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
            if seed:
                params.flags |= lt.torrent_flags.seed_mode
            handle = session.add_torrent(params)
            if upload_limit_bytes_per_s:
                handle.set_upload_limit(upload_limit_bytes_per_s)
            handles.append(handle)
        hashes = handles[0].info_hashes()  # of a hybrid, both
        for key in [str(hashes.v1)] * hashes.has_v1() + [str(hashes.v2)[:40]] * hashes.has_v2():
            self.handles[key] = handles
        return {"info_hash": str(handles[0].info_hash())}

    def do_connect(self, info_hash: str, peers: list[list[Any]]) -> dict[str, Any]:
        for handle in self.handles[info_hash]:
            for host, port in peers:
                handle.connect_peer((host, port))
        return {}

    def do_wait_verified(self, info_hash: str) -> dict[str, Any]:
        """Every piece has its hash and was given to the system: libtorrent seeds before it has written."""
        for session, handle in zip(self.sessions, self.handles[info_hash], strict=True):
            while not handle.status().is_seeding:
                session.wait_for_alert(20)
                session.pop_alerts()
            handle.flush_cache()
            while not any(isinstance(alert, lt.cache_flushed_alert) for alert in session.pop_alerts()):
                session.wait_for_alert(20)
        return {}

    def do_begin(self) -> dict[str, Any]:
        self._began_cpu_s = cpu_s()
        return {}

    def do_end(self) -> dict[str, Any]:
        return {"cpu_s": cpu_s() - self._began_cpu_s, "peak_rss_bytes": peak_rss_bytes()}


def main() -> None:
    child = Child(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        command = json.loads(line)
        number = command.pop("id")
        print(json.dumps({"id": number, **child.run(command)}), flush=True)


if __name__ == "__main__":
    main()
