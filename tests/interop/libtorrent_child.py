"""Runs one libtorrent session as a process of its own, told what to do by JSON lines on standard input.

Each command is `{"id": n, "do": name, ...}`; each answer `{"id": n, ...}` on standard output. The end of standard
input ends the process, so it never outlives the test that started it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import libtorrent as lt

QUIET_LOCAL_SESSION: dict[str, Any] = {
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_dht": False,
    "dht_bootstrap_nodes": "",
    "allow_multiple_connections_per_ip": True,
    "mixed_mode_algorithm": 0,
    # It would try uTP first and wait five seconds for an answer.
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    # The limits below protect a node on the internet; here every node shares one address.
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False,
    "dht_enforce_node_id": False,
    "dht_prefer_verified_node_ids": False,
    "dht_block_ratelimit": 1_000_000,
    "dht_upload_rate_limit": 10_000_000,
    "alert_mask": int(lt.alert.category_t.dht_notification)
    | int(lt.alert.category_t.dht_operation_notification)
    | int(lt.alert.category_t.error_notification)
    | int(lt.alert.category_t.status_notification)
    | int(lt.alert.category_t.peer_notification)
    | int(lt.alert.category_t.connect_notification)
    | int(lt.alert.category_t.storage_notification),
}

MANY_FILES = 1000  # more than any torrent here has


class Child:
    def __init__(self, settings: dict[str, Any]) -> None:
        start: Any = lt.session  # the stub does not know that a plain dict does
        self.session: lt.session = start({**QUIET_LOCAL_SESSION, **settings})
        self.handles: dict[str, Any] = {}

    def run(self, command: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = getattr(self, "do_" + command.pop("do"))(**command)
        return result

    def do_port(self) -> dict[str, Any]:
        return {"port": self.session.listen_port()}

    def do_add(
        self,
        save_path: str,
        torrent: str,
        magnet: str,
        seed: bool,
        select: list[int],
        resume_data: str,
        flags: dict[str, bool],
    ) -> dict[str, Any]:
        params = lt.parse_magnet_uri(magnet) if magnet else lt.load_torrent_buffer(base64.b64decode(torrent))
        if resume_data:
            params = lt.read_resume_data(base64.b64decode(resume_data))
        params.save_path = save_path
        for name, is_set in {"auto_managed": False, "paused": False, "seed_mode": seed, **flags}.items():
            flag = getattr(lt.torrent_flags, name)
            params.flags = params.flags | flag if is_set else params.flags & ~flag
        if select:
            params.file_priorities = [4 if number in select else 0 for number in range(max(MANY_FILES, max(select)))]
        handle = self.session.add_torrent(params)
        key = str(handle.info_hash())
        self.handles[key] = handle
        return {"info_hash": key}

    def do_connect(self, info_hash: str, host: str, port: int) -> dict[str, Any]:
        self.handles[info_hash].connect_peer((host, port))
        return {}

    def do_limit_local_peers(self) -> dict[str, Any]:
        """Local peers need no upload slot and know no rate limit by default: from now on they are like others."""
        everybody = lt.ip_filter()
        everybody.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
        self.session.set_peer_class_filter(everybody)
        return {}

    def do_limit_download(self, bytes_per_s: int) -> dict[str, Any]:
        self.session.apply_settings({"download_rate_limit": bytes_per_s})
        return {}

    def do_limit_upload(self, bytes_per_s: int) -> dict[str, Any]:
        self.session.apply_settings({"upload_rate_limit": bytes_per_s})
        return {}

    def do_force_announce(self, info_hash: str) -> dict[str, Any]:
        self.handles[info_hash].force_dht_announce()
        self.handles[info_hash].force_reannounce()
        return {}

    def do_status(self, info_hash: str) -> dict[str, Any]:
        status = self.handles[info_hash].status()
        return {
            "state": str(status.state),
            "progress": status.progress,
            "is_finished": status.is_finished,
            "has_metadata": status.has_metadata,
            "peers": status.num_peers,
            "done_bytes": status.total_wanted_done,
            "uploaded_bytes": status.all_time_upload,
            "failed_bytes": status.total_failed_bytes,
            "error": status.errc.message() if status.errc.value() else "",
        }

    def do_pieces(self, info_hash: str) -> dict[str, Any]:
        return {"pieces": self.handles[info_hash].status().pieces}

    def do_flush(self, info_hash: str) -> dict[str, Any]:
        """Returns when everything that was downloaded is in its file: libtorrent seeds before it has written."""
        self.handles[info_hash].flush_cache()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.session.wait_for_alert(100)
            if any(isinstance(alert, lt.cache_flushed_alert) for alert in self.session.pop_alerts()):
                return {}
        return {"error": "the cache was not flushed"}

    def do_stop(self, info_hash: str) -> dict[str, Any]:
        """Pauses a torrent, with everything written; answers with what is needed to go on."""
        handle = self.handles[info_hash]
        handle.pause()
        self._alert(lt.torrent_paused_alert, lambda alert: True)
        handle.save_resume_data(lt.save_resume_flags_t.flush_disk_cache | lt.save_resume_flags_t.save_info_dict)
        alert = self._alert(lt.save_resume_data_alert, lambda alert: True)
        return {"resume_data": base64.b64encode(lt.write_resume_data_buf(alert.params)).decode()}

    def do_peers(self, info_hash: str) -> dict[str, Any]:
        return {
            "peers": [
                {
                    "host": peer.ip[0],
                    "port": peer.ip[1],
                    "down": peer.total_download,
                    "up": peer.total_upload,
                    "is_punched": bool(peer.flags & lt.peer_info.holepunched),
                    "is_connecting": bool(peer.flags & (lt.peer_info.connecting | lt.peer_info.handshake)),
                }
                for peer in self.handles[info_hash].get_peer_info()
            ]
        }

    def do_add_dht_node(self, host: str, port: int) -> dict[str, Any]:
        self.session.add_dht_node((host, port))
        return {}

    def do_dht_stats(self) -> dict[str, Any]:
        for _ in range(100):
            self.session.post_session_stats()
            self.session.wait_for_alert(100)
            for alert in self.session.pop_alerts():
                if isinstance(alert, lt.session_stats_alert):
                    return {"nodes": alert.values["dht.dht_nodes"]}
        return {"nodes": -1}

    def do_dht_announce(self, info_hash: str, port: int, seed: bool = False) -> dict[str, Any]:
        self.session.dht_announce(lt.sha1_hash(bytes.fromhex(info_hash)), port, int(seed))
        return {}

    def do_dht_get_peers(self, info_hash: str, wait_s: float = 20.0) -> dict[str, Any]:
        """Every peer that one lookup reports until one is found or `wait_s` is over."""
        deadline = time.monotonic() + wait_s
        found: list[list[Any]] = []
        while not found and time.monotonic() < deadline:
            self.session.dht_get_peers(lt.sha1_hash(bytes.fromhex(info_hash)))
            pause = time.monotonic() + 2
            while not found and time.monotonic() < min(pause, deadline):
                self.session.wait_for_alert(200)
                for alert in self.session.pop_alerts():
                    if isinstance(alert, lt.dht_get_peers_reply_alert) and str(alert.info_hash) == info_hash:
                        found += [list(peer) for peer in alert.peers()]
        return {"peers": found}

    def do_dht_put_immutable(self, value: Any) -> dict[str, Any]:
        """`value` is JSON; its text is stored as UTF-8. Answers when the nodes have it."""
        target = self.session.dht_put_immutable_item(_as_bytes(value))
        put = self._alert(lt.dht_put_alert, lambda alert: alert.target == target)
        return {"target": str(target), "nodes": put.num_success if put else 0}

    def do_dht_get_immutable(self, target: str) -> dict[str, Any]:
        wanted = lt.sha1_hash(bytes.fromhex(target))
        self.session.dht_get_immutable_item(wanted)
        got = self._alert(lt.dht_immutable_item_alert, lambda alert: alert.target == wanted)
        return {"item": base64.b64encode(lt.bencode(got.item)).decode() if got else ""}

    def do_dht_put_mutable(self, seed: str, public_key: str, value: str, salt: str = "") -> dict[str, Any]:
        """Signs with the key of RFC 8032 that `seed` stands for; libtorrent wants it in its expanded form."""
        expanded = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
        expanded[0] &= 248
        expanded[31] = expanded[31] & 127 | 64
        key, salted = bytes.fromhex(public_key), bytes.fromhex(salt)
        self.session.dht_put_mutable_item(bytes(expanded), key, value.encode(), salted)
        put = self._alert(lt.dht_put_alert, lambda alert: bytes(alert.salt) == salted and alert.seq > 0)
        return {"seq": put.seq if put else 0, "nodes": put.num_success if put else 0}

    def do_dht_get_mutable(self, public_key: str, salt: str = "") -> dict[str, Any]:
        salted = bytes.fromhex(salt)
        self.session.dht_get_mutable_item(bytes.fromhex(public_key), salted)
        got = self._alert(lt.dht_mutable_item_alert, lambda alert: bytes(alert.salt) == salted and alert.authoritative)
        item = lt.bencode(got.item) if got else b""
        return {"item": base64.b64encode(item).decode(), "seq": got.seq if got else 0}

    def do_dht_sample(self, host: str, port: int, target: str) -> dict[str, Any]:
        self.session.dht_sample_infohashes((host, port), lt.sha1_hash(bytes.fromhex(target)))
        got = self._alert(lt.dht_sample_infohashes_alert, lambda alert: True)
        return {
            "samples": [str(sample) for sample in got.samples],
            "num": got.num_infohashes,
            "nodes": got.num_nodes,
        }

    def _alert(self, kind: type[Any], matches: Callable[[Any], bool], wait_s: float = 20.0) -> Any:
        """The first alert of a kind that matches; None if there is none for so long."""
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            self.session.wait_for_alert(100)
            for alert in self.session.pop_alerts():
                if isinstance(alert, kind) and matches(alert):
                    return alert
        return None


def _as_bytes(value: Any) -> Any:
    """libtorrent deprecates text in bencode."""
    if isinstance(value, list):
        return [_as_bytes(item) for item in value]
    if isinstance(value, dict):
        return {name.encode(): _as_bytes(item) for name, item in value.items()}
    return value.encode() if isinstance(value, str) else value


def main() -> None:
    child = Child(json.loads(sys.argv[1]))
    for line in sys.stdin:
        command = json.loads(line)
        number = command.pop("id")
        try:
            answer = child.run(command)
        except Exception as error:  # noqa: BLE001  # the test process decides what an error means
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"id": number, **answer}), flush=True)


if __name__ == "__main__":
    main()
