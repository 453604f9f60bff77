from __future__ import annotations

import pytest

from transfer.subnet import subnet_of


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", None),
        ("10.1.2.3", None),
        ("192.168.0.9", None),
        ("::1", None),
        ("fe80::1", None),
        ("172.31.255.255", None),
        ("169.254.1.1", None),
        ("fdff::1", None),
        ("febf::1", None),
        ("8.8.4.4", bytes([8, 8, 4])),
        ("172.32.0.1", bytes([172, 32, 0])),
        ("192.167.0.1", bytes([192, 167, 0])),
        ("169.253.0.1", bytes([169, 253, 0])),
        ("240.1.2.3", bytes([240, 1, 2])),  # reserved: nobody has it, a liar may claim it
        ("2a00:1450:4001:81b::200e", bytes.fromhex("2a0014504001")),
        ("fec0::1", bytes.fromhex("fec000000000")),
        ("2002:808:404::1", bytes.fromhex("2002080804")),  # 6to4 of 8.8.4.4
    ],
)
def test_subnets(host: str, expected: bytes | None) -> None:
    assert subnet_of(host) == expected
