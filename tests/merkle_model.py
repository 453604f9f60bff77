"""The slow obvious tree: every node of a file written out, missing leaves and all, as BEP 52 draws it."""

from __future__ import annotations

import hashlib


def full_tree(leaves: list[bytes]) -> list[list[bytes]]:
    """All rows of the tree over some leaves, from the leaves up to the root."""
    width = 1
    while width < len(leaves):
        width *= 2
    rows = [leaves + [bytes(32)] * (width - len(leaves))]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append([hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)])
    return rows


def leaves_of_content(content: bytes) -> list[bytes]:
    return [hashlib.sha256(content[at : at + 16384]).digest() for at in range(0, len(content), 16384)]


def numbered_leaves(count: int) -> list[bytes]:
    """As many different leaves of no file at all."""
    return [hashlib.sha256(b"%d" % number).digest() for number in range(count)]
