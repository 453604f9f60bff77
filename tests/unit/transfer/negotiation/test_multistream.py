"""Negotiation with strangers: however it is cut, whatever they say."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.negotiation.errors import NegotiationError, NoCommonProtocolError
from transfer.negotiation.multistream import MAX_PROPOSALS, Chooser, Proposer
from transfer.negotiation.tokens import HEADER, MAX_TOKEN_BYTES, TokenReader, encode_token

NAMES = ["/noise", "/tls/1.0.0", "/yamux/1.0.0", "/ipfs/id/1.0.0", "/a"]


@given(
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    st.sets(st.sampled_from(NAMES)),
    st.binary(max_size=20),
    st.data(),
)
def test_both_sides_agree_on_the_first_that_is_common_however_bytes_are_cut(
    proposed: list[str], spoken: set[str], tail: bytes, data: st.DataObject
) -> None:
    proposer, chooser = Proposer(proposed), Chooser(lambda protocol: protocol in spoken)
    expected = next((name for name in proposed if name in spoken), None)
    refusals: list[NoCommonProtocolError] = []
    is_lazy = len(proposed) == 1  # then the opening side may write its own bytes at once
    to_chooser = proposer.data_to_send() + (tail if is_lazy and expected else b"")
    while not refusals and proposer.selected is None:
        while to_chooser and chooser.selected is None:
            size = data.draw(st.integers(1, len(to_chooser)))
            chooser.receive(to_chooser[:size])
            to_chooser = to_chooser[size:]
        for byte in chooser.data_to_send():
            try:
                proposer.receive(bytes((byte,)))
            except NoCommonProtocolError as error:
                refusals.append(error)
        to_chooser += proposer.data_to_send()
    assert proposer.selected == chooser.selected == expected
    assert len(refusals) == (expected is None)
    for refused in refusals:
        assert refused.protocols == tuple(proposed)
        assert proposed[0] in str(refused)
    if expected and is_lazy:
        assert chooser.rest + to_chooser == tail


def test_what_follows_is_handed_on() -> None:
    proposer = Proposer(["/a"])
    proposer.receive(encode_token(HEADER) + encode_token("/a") + b"theirs")
    assert (proposer.selected, proposer.rest) == ("/a", b"theirs")


def test_both_may_open_at_once() -> None:
    """Two that dial each other at the same moment see the other's proposal as the answer."""
    one, two = Proposer(["/noise"]), Proposer(["/noise"])
    one_says, two_says = one.data_to_send(), two.data_to_send()
    one.receive(two_says)
    two.receive(one_says)
    assert one.selected == two.selected == "/noise"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encode_token("/multistream/2.0.0"), "begins with"),
        (encode_token("/noise"), "begins with"),
        (b"\x00", "0 bytes"),
        (b"\xff\xff\xff\xff", "does not negotiate"),
        (b"\x81\x10" + b"a" * 2001, "2049 bytes"),
        (b"\x06/noise", "no line feed"),
        (b"\x03\xff\xfe\n", "no text"),
        (b"\x80\x00", "does not negotiate"),
        (b"GET / HTTP/1.1\r\n\r\n" * 10, "begins with"),
    ],
)
def test_those_that_do_not_negotiate(data: bytes, words: str) -> None:
    for machine in (Proposer(["/noise"]), Chooser(lambda protocol: True)):
        with pytest.raises(NegotiationError, match=words):
            machine.receive(data)


def test_an_answer_to_another_question() -> None:
    proposer = Proposer(["/noise"])
    with pytest.raises(NegotiationError, match="answers '/tls"):
        proposer.receive(encode_token(HEADER) + encode_token("/tls/1.0.0"))


def test_proposals_without_end() -> None:
    chooser = Chooser(lambda protocol: False)
    chooser.receive(encode_token(HEADER) + encode_token("/b") * MAX_PROPOSALS)
    with pytest.raises(NegotiationError, match="has proposed 64"):
        chooser.receive(encode_token("/b"))


def test_words_of_the_negotiation_are_no_protocols() -> None:
    chooser = Chooser(lambda protocol: True)
    chooser.receive(encode_token(HEADER) + encode_token("na") + encode_token("ls") + encode_token(HEADER))
    assert chooser.selected is None
    assert chooser.data_to_send() == encode_token(HEADER) + encode_token("na") * 3


@given(st.binary(max_size=60))
def test_bytes_of_strangers_are_bounded_and_named(data: bytes) -> None:
    reader = TokenReader()
    reader.feed(data)
    with suppress(NegotiationError):
        while (token := reader.next_token()) is not None:
            assert len(token.encode()) < MAX_TOKEN_BYTES


@pytest.mark.parametrize("token", ["a\nb", "x" * MAX_TOKEN_BYTES])
def test_what_cannot_be_said(token: str) -> None:
    with pytest.raises(ValueError, match="cannot be said"):
        encode_token(token)
    with pytest.raises(ValueError, match="cannot be said"):
        Proposer([token])


def test_nothing_to_propose() -> None:
    with pytest.raises(ValueError, match="to propose"):
        Proposer([])
