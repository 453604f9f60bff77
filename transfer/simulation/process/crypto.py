"""Keys and signatures of the `cryptography` package, whose OpenSSL would draw real random numbers."""

from __future__ import annotations

from functools import cache
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
    found = [Replacement(kind, "generate", classmethod(_generator(kind, size))) for kind, size in kinds.items()]
    found += replacement(ec, "generate_private_key", _generate_private_key)
    return (*found, Replacement(ec.ECDSA, "__init__", _sign_without_chance()))


def _generator(kind: Any, size: int) -> Any:
    real = vars(kind)["generate"]

    def generate(cls: Any) -> Any:
        world = inside()
        if world is None:
            return real.__get__(None, cls)()
        return cls.from_private_bytes(world.entropy.randbytes(size))

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
