"""A fuzz target: hash messages of any bytes, and what is made of the requests and answers in them (BEP 52).

A request is answered by a tree with exactly what checks it, or not at all; an answer is taken for right only when its
hashes are those of the tree.
"""

from __future__ import annotations

from random import Random

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashError, HashRange, TreeRows, check_hashes
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE, leaves_of
from bittorrent.wire.hashes import Hashes, HashReject, HashRequest
from bittorrent.wire.messages import decode_message, encode_message

SHAPE = TreeShape(11 * 16384 + 5, 4 * 16384)
LEAVES = leaves_of(Random(1).randbytes(SHAPE.length))
ROWS = TreeRows(SHAPE, LEAVES, 0)
ROOT = ROWS.root


def run_hashes(data: bytes) -> str:
    """One message, from its kind on. A root of zeros stands for the tree that there is."""
    try:
        message = decode_message(data)
    except WireError as error:
        return str(error)[:30]
    if not isinstance(message, HashRequest | Hashes | HashReject):
        return "another message"
    assert decode_message(encode_message(message)[4:]) == message
    span = message.range
    if span.root != bytes(32):
        return f"{type(message).__name__}: another tree"
    span = HashRange(ROOT, span.base, span.index, span.length, span.proof_layers)
    answer = ROWS.answer(span)
    assert (answer is not None) == span.is_within(SHAPE)
    if answer is None:
        return f"{type(message).__name__}: no range"
    assert len(answer) == span.hash_count * HASH_SIZE <= 64 * HASH_SIZE
    is_proved = span.proof_layers == SHAPE.height - span.base - 1
    outcome = f"{type(message).__name__}: {span.base} {span.length} {is_proved}"
    if isinstance(message, Hashes):
        try:
            check_hashes(SHAPE, span, message.hashes)
        except HashError:
            outcome += " refused"
        else:
            assert message.hashes == answer
            outcome += " right"
    elif is_proved:
        count = max(0, min(span.length, SHAPE.row_count(span.base) - span.index))
        row = ROWS.row(span.base)[span.index * HASH_SIZE :][: count * HASH_SIZE]
        assert check_hashes(SHAPE, span, answer) == row
    return outcome


def hashes_seeds() -> list[bytes]:
    ranges = [HashRange(bytes(32), base, index, length, proofs) for base, index, length, proofs in NUMBERS]
    requests = [encode_message(HashRequest(span))[4:] for span in ranges]
    rejects = [encode_message(HashReject(span))[4:] for span in ranges[:1]]
    answers = []
    for span in ranges:
        rest = ROWS.answer(HashRange(ROOT, span.base, span.index, span.length, span.proof_layers))
        assert rest is not None
        answers.append(encode_message(Hashes(span, rest))[4:])
    return [*requests, *rejects, *answers]


NUMBERS = [(0, 0, 16, 3), (0, 4, 4, 3), (0, 10, 2, 3), (2, 0, 4, 1), (2, 2, 2, 1), (1, 4, 2, 0)]
