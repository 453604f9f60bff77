"""The smallest value of each setting that is taken, and that the next smaller one is refused."""

from __future__ import annotations

from math import nextafter

import pytest

from kademlia_core.datagram.config import MIN_DATAGRAM_BYTES, NodeConfig

ABOVE_ZERO = nextafter(0.0, 1.0)


@pytest.mark.parametrize(
    ("name", "least", "refused"),
    [
        ("max_pending_queries", 1, 0),
        ("max_datagram_bytes", MIN_DATAGRAM_BYTES, MIN_DATAGRAM_BYTES - 1),
        ("token_rotation_s", ABOVE_ZERO, 0.0),
        ("resolve_timeout_s", ABOVE_ZERO, 0.0),
        ("snapshot_interval_s", ABOVE_ZERO, 0.0),
    ],
)
def test_the_least_value_is_taken_and_the_next_one_refused(name: str, least: float, refused: float) -> None:
    NodeConfig(**{name: least})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"must be"):
        NodeConfig(**{name: refused})  # type: ignore[arg-type]
