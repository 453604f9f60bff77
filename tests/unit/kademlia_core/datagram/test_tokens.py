from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Key
from kademlia_core.datagram.tokens import TOKEN_SIZE, TokenIssuer

INFO_HASH, OTHER_HASH = Key(5, 160), Key(6, 160)


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer(rng=Random(1), rotation_s=300.0, now=0.0)


def test_a_token_is_bound_to_address_and_info_hash(issuer: TokenIssuer) -> None:
    token = issuer.issue("192.0.2.1", INFO_HASH, now=0.0)
    assert len(token) == TOKEN_SIZE
    assert issuer.is_valid(token, "192.0.2.1", INFO_HASH, now=0.0)
    assert not issuer.is_valid(token, "192.0.2.2", INFO_HASH, now=0.0)
    assert not issuer.is_valid(token, "192.0.2.1", OTHER_HASH, now=0.0)
    assert not issuer.is_valid(b"", "192.0.2.1", INFO_HASH, now=0.0)
    assert not TokenIssuer(rng=Random(2), rotation_s=300.0, now=0.0).is_valid(token, "192.0.2.1", INFO_HASH, now=0.0)


@pytest.mark.parametrize(
    ("issued_at", "checked_at", "holds"),
    [
        (0.0, 299.0, True),
        (299.0, 301.0, True),
        (0.0, 599.0, True),
        (299.0, 600.0, False),
        (0.0, 600.0, False),
        (0.0, 10_000.0, False),
    ],
)
def test_tokens_hold_for_one_to_two_rotations(
    issuer: TokenIssuer, issued_at: float, checked_at: float, holds: bool
) -> None:
    token = issuer.issue("::1", INFO_HASH, now=issued_at)
    assert issuer.is_valid(token, "::1", INFO_HASH, now=checked_at) is holds


def test_tokens_stay_valid_through_regular_use(issuer: TokenIssuer) -> None:
    token = issuer.issue("192.0.2.1", INFO_HASH, now=290.0)
    valid = [issuer.is_valid(token, "192.0.2.1", INFO_HASH, now=float(now)) for now in range(290, 1200, 10)]
    assert valid == [now < 600 for now in range(290, 1200, 10)]


def test_the_first_token_after_a_long_pause_is_as_good_as_any(issuer: TokenIssuer) -> None:
    """The secret is changed before a token is made from it, or the token of a quiet node would hold for a moment."""
    token = issuer.issue("192.0.2.1", INFO_HASH, now=10_000.0)
    assert issuer.is_valid(token, "192.0.2.1", INFO_HASH, now=10_299.0)
    assert issuer.is_valid(token, "192.0.2.1", INFO_HASH, now=10_599.0)
    assert not issuer.is_valid(token, "192.0.2.1", INFO_HASH, now=10_900.0)


@pytest.mark.parametrize(("pause_s", "holds"), [(299.0, True), (300.0, True), (599.0, True), (600.0, False)])
def test_the_secret_before_a_pause_is_accepted_for_two_spans(issuer: TokenIssuer, pause_s: float, holds: bool) -> None:
    token = issuer.issue("192.0.2.1", INFO_HASH, now=0.0)
    issuer.issue("192.0.2.2", INFO_HASH, now=pause_s)  # whoever asks first after the pause has the secret changed
    assert issuer.is_valid(token, "192.0.2.1", INFO_HASH, now=pause_s) is holds


def test_no_two_secrets_are_alike(issuer: TokenIssuer) -> None:
    tokens = {issuer.issue("192.0.2.1", INFO_HASH, now=300.0 * span) for span in range(20)}
    assert len(tokens) == 20
