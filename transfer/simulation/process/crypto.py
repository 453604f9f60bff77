"""Keys and signatures of the `cryptography` package, whose OpenSSL would draw real random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519

from transfer.simulation.process.inside import inside
from transfer.simulation.process.replacing import Replacement, replacement


@cache
def replacements() -> tuple[Replacement, ...]:
    """Fresh keys from the seed of the run; ECDSA signs with the nonces of RFC 6979 where OpenSSL can do so."""
    kinds = {
        x25519.X25519PrivateKey: 32,
        x448.X448PrivateKey: 56,
        ed25519.Ed25519PrivateKey: 32,
        ed448.Ed448PrivateKey: 57,
    }
    found = [
        Replacement(kind, "generate", classmethod(_generator(kind, "from_private_bytes", size)))
        for kind, size in kinds.items()
    ]
    found += [
        Replacement(kind, "generate", classmethod(_generator(kind, "from_seed_bytes", size)))
        for kind, size in _post_quantum_kinds()
    ]
    found += replacement(ec, "generate_private_key", _generate_private_key)
    return (*found, Replacement(ec.ECDSA, "__init__", _sign_without_chance()))


def _post_quantum_kinds() -> Iterator[tuple[Any, int]]:
    """Those that this version of the package has: FIPS 203 makes a key of 64 bytes, FIPS 204 of 32."""
    for module_name, size in (("mlkem", 64), ("mldsa", 32)):
        try:
            module = import_module(f"cryptography.hazmat.primitives.asymmetric.{module_name}")
        except ImportError:
            continue
        for name, kind in vars(module).items():
            if name.endswith("PrivateKey") and hasattr(kind, "from_seed_bytes"):
                yield kind, size


def _generator(kind: Any, maker: str, size: int) -> Any:
    real = vars(kind)["generate"]

    def generate(cls: Any) -> Any:
        world = inside()
        if world is None:
            return real.__get__(None, cls)()
        return getattr(cls, maker)(world.entropy.randbytes(size))

    return generate


def _generate_private_key(world: Any, curve: Any, backend: Any = None) -> Any:
    secret = world.entropy.getrandbits(curve.key_size - 1)  # below the order of every curve in use
    return ec.derive_private_key(secret or 1, curve)


def _sign_without_chance() -> Any:
    real = ec.ECDSA.__init__

    def initialize(self: Any, algorithm: Any, deterministic_signing: bool = False) -> None:
        if inside() is not None and not deterministic_signing:
            try:
                real(self, algorithm, True)
            except (UnsupportedAlgorithm, TypeError):  # an older OpenSSL, or an older package
                pass
            else:
                return
        if deterministic_signing:
            real(self, algorithm, deterministic_signing)
        else:
            real(self, algorithm)

    return initialize
