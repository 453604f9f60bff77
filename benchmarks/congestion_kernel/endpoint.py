"""One end of a transfer over the kernel's TCP, in a network namespace of its own: a program of the standard library."""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Makes the device, hands it over, and does its part when told to; answers are lines of JSON on the socket."""
    settings = json.loads(arguments[0])
    control = socket.socket(fileno=int(arguments[1]))
    try:
        enter_namespace()
        device = make_device(settings["address"], settings["mtu"])
    except OSError as error:
        answer(control, {"error": f"{error.filename or 'network namespace'}: {error.strerror}"})
        return
    control.sendmsg([b"{}\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [device]))])
    os.close(device)
    set_buffers(settings["buffer_bytes"])
    if settings["role"] == "receiver":
        receive(control, settings)
    else:
        send(control, settings)


def send(control: socket.socket, settings: dict[str, object]) -> None:
    """Connects when the other end is ready, sends, and waits until all of it has been received."""
    control.recv(1)
    with socket.socket() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, str(settings["controller"]).encode())
        sock.connect((settings["peer"], PORT))
        data = bytes(int(str(settings["size"])))
        began = time.monotonic()
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    answer(
        control,
        {
            "began": began,
            "retransmitted": struct.unpack_from("=I", info, TOTAL_RETRANS)[0],
            "receiver_limited_s": struct.unpack_from("=Q", info, RWND_LIMITED)[0] / 1e6,
        },
    )


def receive(control: socket.socket, settings: dict[str, object]) -> None:
    """Listens, takes one connection, and notes when the last byte has come."""
    missing = int(str(settings["size"]))
    buffer = bytearray(1 << 20)
    with socket.create_server((str(settings["address"]), PORT)) as listener:
        answer(control, {})
        sock = listener.accept()[0]
        with sock:
            while missing:
                got = sock.recv_into(buffer)
                if not got:
                    break
                missing -= got
            ended = time.monotonic()
            sock.recv(1)  # the end
    answer(control, {"ended": ended, "missing": missing})


def answer(control: socket.socket, told: dict[str, object]) -> None:
    control.sendall(json.dumps(told).encode() + b"\n")


def enter_namespace() -> None:
    """A network of its own: as root; or as root of a user namespace, where anybody may have one.

    Raises:
        OSError: not here.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) == 0:
        return
    identity = os.getuid()
    if libc.unshare(CLONE_NEWNET | CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "unshare")
    Path("/proc/self/uid_map").write_text(f"0 {identity} 1", encoding="ascii")


def make_device(address: str, mtu: int) -> int:
    """A TUN device with this address and a /24 around it; its descriptor. What is read there are IPv4 packets.

    No offload is asked for, so the kernel cuts what it sends into packets of at most `mtu` bytes, with checksums.
    """
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", NAME, IFF_TUN | IFF_NO_PI))
    except OSError as error:
        raise OSError(error.errno, error.strerror, "/dev/net/tun") from None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for request, ip in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.0")):
            name = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(ip))
            fcntl.ioctl(sock, request, struct.pack("16s16s8x", NAME, name))
        for request, value in ((SIOCSIFMTU, mtu), (SIOCSIFTXQLEN, QUEUE_PACKETS)):
            fcntl.ioctl(sock, request, struct.pack("16si20x", NAME, value))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", NAME, IFF_UP | IFF_RUNNING))
    return device


def set_buffers(size: int) -> None:
    """Buffers and windows that hold a whole transfer, so that they never are what limits it."""
    for name in ("tcp_rmem", "tcp_wmem"):
        (SETTINGS / name).write_text(f"4096 {size} {2 * size}", encoding="ascii")
    (SETTINGS / "tcp_no_metrics_save").write_text("1", encoding="ascii")


SETTINGS = Path("/proc/sys/net/ipv4")  # of the namespace that this process is in
PORT = 5001
NAME = b"relay"
QUEUE_PACKETS = 20_000  # what the relay has not read yet: more than any window here
CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000  # linux/sched.h
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000  # linux/if_tun.h
IFF_UP, IFF_RUNNING = 0x1, 0x40  # linux/if.h
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS = 0x8916, 0x891C, 0x8914  # linux/sockios.h
SIOCSIFMTU, SIOCSIFTXQLEN = 0x8922, 0x8943
TOTAL_RETRANS, RWND_LIMITED = 100, 176  # offsets in struct tcp_info

if __name__ == "__main__":
    main(sys.argv[1:])
