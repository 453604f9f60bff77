"""A fuzzing campaign: `python -m tests.fuzz.campaign [TARGET…] --inputs 1000000`.

Inputs are mutations of seeds and of earlier inputs that brought out something new (another error, another kind of
message, other counters), which are kept in `tests/fuzz/corpus` and replayed by the test suite. An input that fails is
printed in hexadecimal digits, and the campaign goes on to the next target.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
MAX_CORPUS = 400  # inputs kept for one target
MAX_INPUT_BYTES = 1500
TOKENS = [b"d", b"l", b"e", b"i0e", b"i-1e", b"0:", b"1:", b"20:", b"2:id", b"1:t", b"1:y", b"1:q", b"1:r", b"1:e"]
TOKENS += [
    b"i9223372036854775807e",
    b"\x00\x00\x00\x01",
    b"\x00\x00\x40\x09",
    b"\xff\xff\xff\xff",
    b"6:target",
    b"5:token",
]


def mutate(data: bytes, others: list[bytes], rng: Random) -> bytes:
    """One to six small changes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(changed) + 1)
        span = rng.choice((1, 1, 2, 4, 20, 60))
        match rng.randrange(8):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + span] = rng.randbytes(rng.randrange(span + 1))
            case 2:
                changed[at:at] = rng.choice(TOKENS)
            case 3:
                del changed[at : at + span]
            case 4:
                changed[at:at] = changed[at : at + span]
            case 5:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                changed[at : at + rng.choice((0, span))] = other[start : start + span]
            case 6:
                changed[at:] = rng.choice(others)[at:]
            case _ if changed:
                changed[at % len(changed)] = rng.choice(b"0123456789dile:\x00\xff")
            case _:
                pass
    return bytes(changed[:MAX_INPUT_BYTES])


def campaign(name: str, target: Target, inputs: int, seed: int) -> tuple[list[bytes], bytes | None, str]:
    """Runs that many inputs; returns the corpus, and the input that failed, if one did, with its error."""
    rng = Random(f"{name} {seed}")
    corpus = [*target.seeds(), *load(name)]
    seen: set[str] = set()
    kept: list[bytes] = []
    for number in range(inputs):
        data = corpus[number] if number < len(corpus) else mutate(rng.choice(corpus), corpus, rng)
        try:
            outcome = target.run(data)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what we are looking for)
            return kept, data, f"{type(error).__name__}: {error}"
        if outcome not in seen and len(kept) < MAX_CORPUS:
            seen.add(outcome)
            kept.append(data)
            corpus.append(data)
    return kept, None, ""


def load(name: str) -> list[bytes]:
    """The corpus of a target: one input a line, in hexadecimal digits."""
    path = CORPUS / f"{name}.txt"
    return [bytes.fromhex(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}")
    failures = 0
    for name in options.targets or TARGETS:
        started = time.perf_counter()
        corpus, culprit, error = campaign(name, TARGETS[name], options.inputs, options.seed)
        if culprit is not None:
            failures += 1
            print(f"{name}: FAILED with {error}\n  {culprit.hex()}", flush=True)
            continue
        CORPUS.mkdir(exist_ok=True)
        (CORPUS / f"{name}.txt").write_text("".join(f"{data.hex()}\n" for data in corpus))
        seconds = time.perf_counter() - started
        print(f"{name}: {options.inputs:,} inputs, {len(corpus)} outcomes, {seconds:.0f} s", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
