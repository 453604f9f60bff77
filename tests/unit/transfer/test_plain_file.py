"""Files that may be something else: nobody waits for what never comes."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from transfer.plain_file import read_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(3_000_000))
    assert len(read_file(tmp_path / "f", 5_000_000)) == 3_000_000
    assert len(read_file(tmp_path / "f", 1_500_000)) == 1_500_000
    assert read_file(tmp_path / "f", 0) == b""


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "f", 1)
    with pytest.raises(OSError, match=r"irectory|ermission"):
        read_file(tmp_path, 1, may_be_pipe=True)


@posix
def test_a_pipe_without_a_writer_is_refused_or_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    with pytest.raises(OSError, match="it is not a file"):
        read_file(tmp_path / "p", 1)
    assert read_file(tmp_path / "p", 1, may_be_pipe=True) == b""


@posix
def test_a_pipe_that_somebody_writes_to_is_read_to_its_end() -> None:
    """As `kad get <(curl …)` has it."""
    reading, writing = os.pipe()
    content = bytes(range(256)) * 2000  # more than fits into a pipe

    def write() -> None:
        os.write(writing, content)
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        path = f"/dev/fd/{reading}"
        assert read_file(path, len(content) + 1, may_be_pipe=True) == content
    finally:
        os.close(reading)
        thread.join()


@posix
def test_a_device_is_bounded() -> None:
    assert read_file("/dev/zero", 5000, may_be_pipe=True) == bytes(5000)
    with pytest.raises(OSError, match="it is not a file"):
        read_file("/dev/zero", 5000)
