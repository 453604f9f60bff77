"""No two users of the test machine are given the same port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import ports
from tests.interop.ports import free_port, is_free

ROOT = Path(__file__).parents[2]


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[range]:
    """Four numbers that hardly anybody else uses, and locks of their own."""
    first = next(port for port in range(31_000, 32_000, 4) if all(map(is_free, range(port, port + 4))))
    monkeypatch.setattr(ports, "FIRST_PORT", first)
    monkeypatch.setattr(ports, "END_PORT", first + 4)
    monkeypatch.setattr(ports, "FOLDER", tmp_path / "ports")
    kept: list[int] = []
    monkeypatch.setattr(ports, "_kept", kept)
    yield range(first, first + 4)
    for lock in kept:
        os.close(lock)


def test_each_is_given_once_and_then_there_are_none(few_ports: range) -> None:
    assert sorted(free_port() for _ in range(4)) == list(few_ports)
    with pytest.raises(RuntimeError, match=f"no free port on 127.0.0.1 from {few_ports[0]} to {few_ports[-1]}"):
        free_port()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_one_in_use_is_left_out(few_ports: range, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", few_ports[1]))
        assert sorted(free_port() for _ in range(3)) == [few_ports[0], *few_ports[2:]]


def test_another_process_is_given_another(few_ports: range) -> None:
    code = f"""
import sys
from pathlib import Path
from tests.interop import ports

ports.FIRST_PORT, ports.END_PORT, ports.FOLDER = {few_ports[0]}, {few_ports[-1] + 1}, Path({str(ports.FOLDER)!r})
print(ports.free_port(), ports.free_port(), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        assert theirs | {free_port(), free_port()} == set(few_ports)
        other.stdin.close()
        assert other.wait(timeout=60) == 0
    assert free_port() in theirs  # what was theirs is anybody's when they have ended
