#!/usr/bin/env bash
# libtorrent 2.1.1 (PyPI) that seeds in seed mode takes the second of two equal files of a version 2 torrent for damaged.
#
# Equal files have one `pieces root`, which is what version 2 is for. In seed mode nothing is checked at the start; each
# piece is when it is first asked for. Of the second file that fails: the seed says so (hash_failed), leaves seed mode and
# checks all of its files, which takes as long as the check that seed mode was to spare. One would guess that bytes which
# pass a check at the start pass one later.
#
# Seen: right files, seeded to another libtorrent. Only with seed mode and equal files there is a hash_failed_alert, and
# the seed turns to "checking_files" in between. The script fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q libtorrent==2.1.1
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import os
import time

import libtorrent as lt

QUIET = {
    "listen_interfaces": "127.0.0.1:0",
    "allow_multiple_connections_per_ip": True,
    "alert_mask": 0x7FFFFFFF,
    **dict.fromkeys(("enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp"), False),
}
DATA = bytes(range(256)) * 400


def add(session, torrent, path, seed_mode=False):
    parameters = lt.load_torrent_buffer(torrent)
    parameters.save_path = path
    if seed_mode:
        parameters.flags |= lt.torrent_flags.seed_mode
    return session.add_torrent(parameters)


def wait(handle):
    deadline = time.monotonic() + 20
    while not handle.status().is_seeding:
        assert time.monotonic() < deadline, "never complete"
        time.sleep(0.01)


def what_failed(equal, seed_mode):
    root = f"equal {equal} seed mode {seed_mode}"
    os.makedirs(f"{root}/files")
    for name, data in (("a", DATA), ("b", DATA if equal else DATA[::-1])):
        with open(f"{root}/files/{name}", "wb") as file:
            file.write(data)
    creator = lt.create_torrent(lt.list_files(f"{root}/files"), 16384, lt.create_torrent.v2_only)
    lt.set_piece_hashes(creator, root)
    torrent = lt.bencode(creator.generate())
    seed, other = lt.session(QUIET), lt.session(QUIET)
    wait(add(seed, torrent, root, seed_mode))
    copy = add(other, torrent, f"{root} copy")
    time.sleep(0.5)
    copy.connect_peer(("127.0.0.1", seed.listen_port()))
    wait(copy)
    return [type(alert).__name__ for alert in seed.pop_alerts() if isinstance(alert, lt.hash_failed_alert)]


print("libtorrent", lt.__version__)
for equal in (False, True):
    for seed_mode in (False, True):
        failed = what_failed(equal, seed_mode)
        print("equal files" if equal else "different files", "in seed mode:" if seed_mode else "checked:", failed or "fine")
        assert bool(failed) == (equal and seed_mode), failed
PY
