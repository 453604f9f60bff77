#!/usr/bin/env bash
# libtorrent 2.1.1 (PyPI) renames a file whose path another one has, but not away from a path that a later file brings.
#
# A torrent may name two files alike; libtorrent then calls the second one `a.1`, so that both can be kept. One would
# guess that the new name is free. It is not when the torrent itself has a file `a.1` further down: that one keeps its
# name, and two files of different sizes lie at one path. The other order (`a`, `a.1`, `a`) gives three different paths.
# The same happens on Linux to names that differ in case only, since libtorrent takes them for one everywhere: a folder
# with `Makefile` and `makefile` cannot be seeded where it lies, the second file is expected at `makefile.1`.
#
# Seen: exactly the paths below. The script fails when they change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q libtorrent==2.1.1
"$folder/venv/bin/python" - <<'PY'
import libtorrent as lt


def places(*names):
    files = [{b"length": 10 + number, b"path": [name.encode()]} for number, name in enumerate(names)]
    info = {b"name": b"folder", b"piece length": 16384, b"pieces": bytes(20), b"files": files}
    storage = lt.torrent_info(lt.bdecode(lt.bencode({b"info": info}))).files()
    return [storage.file_path(number).replace("\\", "/").removeprefix("folder/") for number in range(storage.num_files())]


print("libtorrent", lt.__version__)
for names, expected in (
    (("a", "a", "a.1"), ["a", "a.1", "a.1"]),
    (("a", "a.1", "a"), ["a", "a.1", "a.2"]),
    (("Makefile", "makefile"), ["Makefile", "makefile.1"]),
):
    found = places(*names)
    print(f"{list(names)} -> {found}")
    assert found == expected, f"this has changed: {expected} before"
PY
