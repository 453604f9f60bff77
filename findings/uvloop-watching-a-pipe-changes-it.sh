#!/usr/bin/env bash
# uvloop 0.23.0 (PyPI): `loop.add_reader(fd, …)` makes the descriptor one that does not wait, and leaves it so.
#
# asyncio only watches what it is given, and one would guess that its drop-in replacement does the same: watching is
# reading, and the flag O_NONBLOCK belongs to the open file, which other descriptors and other processes share. With
# uvloop a program that watches its standard output for the reader's end (as `tail -f | head` wants) finds `print`
# raising BlockingIOError as soon as the pipe is full, and so does the parent process that shares the pipe. Neither
# `remove_reader` nor closing the loop puts the flag back.
#
# Seen: exactly the lines below. The script fails when they change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q uvloop==0.23.0
"$folder/venv/bin/python" - <<'PY'
import asyncio
import os

import uvloop


def watch(new_loop):
    """Whether a pipe, and a second descriptor of the same open file, wait: before, while it is watched, and after."""
    reader, writer = os.pipe()
    shared = os.dup(writer)
    seen = [(os.get_blocking(writer), os.get_blocking(shared))]
    loop = new_loop()
    loop.add_reader(writer, lambda: None)
    seen.append((os.get_blocking(writer), os.get_blocking(shared)))
    loop.remove_reader(writer)
    loop.close()
    seen.append((os.get_blocking(writer), os.get_blocking(shared)))
    for number in (reader, writer, shared):
        os.close(number)
    return seen


YES, NO = (True, True), (False, False)
for name, new_loop, expected in (
    ("asyncio", asyncio.SelectorEventLoop, [YES, YES, YES]),
    (f"uvloop {uvloop.__version__}", uvloop.new_event_loop, [YES, NO, NO]),
):
    found = watch(new_loop)
    print(f"{name}: the pipe waits: before {found[0]}, watched {found[1]}, afterwards {found[2]}")
    assert found == expected, f"this has changed: {expected} before"
PY
