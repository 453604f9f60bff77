from __future__ import annotations

import pytest

from kademlia_core import Contact, Key
from kademlia_core.datagram import messages
from kademlia_core.mainline.item_errors import ItemError, SaltTooBigError
from kademlia_core.mainline.item_lookup import ImmutableHarvest, ItemPlacement, MutableHarvest, Republication
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.messages import PutItem, Response, StoredItem
from kademlia_core.mainline.signing import SigningKey
from transfer.address import Address

OWNER, THIEF = SigningKey(b"s" * 32), SigningKey(b"t" * 32)
CONTACTS = [Contact(Key(number, 160), Address(f"11.0.{number}.1", 6881)) for number in range(12)]


def version(seq: int, value: str = "value", *, key: SigningKey = OWNER, salt: bytes = b"") -> MutableItem:
    return MutableItem.sign(key, value, seq=seq, salt=salt)


def answer(item: MutableItem | ImmutableItem | StoredItem | None) -> Response:
    if isinstance(item, MutableItem):
        item = StoredItem(item.value, item.seq, item.public_key, item.signature)
    elif isinstance(item, ImmutableItem):
        item = StoredItem(item.value)
    return Response(b"t", Key(0, 160), item=item)


def harvest(seq: int | None = None, salt: bytes = b"") -> MutableHarvest:
    return MutableHarvest(OWNER.public_key, salt, seq=seq)


def test_only_the_value_with_the_hash_is_taken() -> None:
    wanted = ImmutableItem.of("wanted")
    search = ImmutableHarvest(wanted.target)
    for wrong in (
        ImmutableItem.of("another"),
        StoredItem(b"not bencode"),
        StoredItem(wanted.value + b"x"),
        StoredItem(seq=1),
        None,
    ):
        assert search.on_response(CONTACTS[0], answer(wrong)) == ()
        assert not search.is_complete
    assert search.on_response(CONTACTS[1], messages.Response(b"t", Key(0, 160))) == ()
    assert search.on_response(CONTACTS[2], answer(wanted)) == (wanted,)
    assert search.is_complete
    assert search.on_response(CONTACTS[3], answer(wanted)) == ()


def test_only_newer_versions_of_the_owner_are_news() -> None:
    search = harvest()
    news = [
        search.on_response(contact, answer(item))
        for contact, item in zip(
            CONTACTS,
            [version(2), version(1), version(2, "same number"), version(5), version(4), version(7, key=THIEF)],
            strict=False,
        )
    ]
    assert news == [(version(2),), (), (), (version(5),), (), ()]
    assert search.item == version(5)
    assert search.claims == dict(zip(CONTACTS, [2, 1, 2, 5, 4, 7], strict=False))


@pytest.mark.parametrize(
    "forged",
    [
        StoredItem(version(9).value, 10, OWNER.public_key, version(9).signature),
        StoredItem(b"5:other", 9, OWNER.public_key, version(9).signature),
        StoredItem(version(9).value, 9, THIEF.public_key, version(9).signature),
        StoredItem(version(9).value, 9, None, version(9).signature),
        StoredItem(version(9).value, 9, OWNER.public_key, None),
        StoredItem(version(9).value, None, OWNER.public_key, version(9).signature),
        StoredItem(version(9, salt=b"salt").value, 9, OWNER.public_key, version(9, salt=b"salt").signature),
        StoredItem(b"no bencode", 9, OWNER.public_key, version(9).signature),
        StoredItem(version(9).value, 2**63, OWNER.public_key, version(9).signature),
        StoredItem(version(9).value, -1, OWNER.public_key, version(9).signature),
        StoredItem(seq=9),
        None,
    ],
)
def test_forgeries_hide_nothing(forged: StoredItem | None) -> None:
    search = harvest()
    assert search.on_response(CONTACTS[0], answer(forged)) == ()
    assert search.on_response(CONTACTS[1], answer(version(1))) == (version(1),)
    assert search.item == version(1)


def test_what_is_known_is_no_news() -> None:
    search = harvest(seq=5)
    assert search.on_response(CONTACTS[0], answer(version(5))) == ()
    assert search.on_response(CONTACTS[1], answer(StoredItem(seq=5))) == ()
    assert search.on_response(CONTACTS[2], answer(version(6))) == (version(6),)


def test_owners_that_cannot_be_are_refused_at_once() -> None:
    with pytest.raises(ItemError):
        MutableHarvest(b"short")
    with pytest.raises(SaltTooBigError):
        MutableHarvest(OWNER.public_key, bytes(65))


def test_items_go_to_whoever_gave_a_token() -> None:
    item = version(3)
    offers = [(CONTACTS[0], b"a"), (CONTACTS[1], None), (CONTACTS[2], b"c")]
    assert ItemPlacement(item).requests_for(offers) == [
        (CONTACTS[0], PutItem(item, b"a")),
        (CONTACTS[2], PutItem(item, b"c")),
    ]


def test_each_node_replaces_what_it_was_seen_to_have() -> None:
    """One lags behind: its own number goes with the put, or it would refuse what is right for all others."""
    search = harvest()
    for contact, item in zip(CONTACTS, [answer(version(5)), answer(version(3)), answer(None)], strict=False):
        search.on_response(contact, item)
    search.on_response(CONTACTS[3], answer(StoredItem(seq=99)))  # says so without proof
    placement = ItemPlacement(version(6), replacing=search)
    requests = placement.requests_for([(contact, b"token") for contact in CONTACTS[:5]])
    assert [request.cas for _, request in requests if isinstance(request, PutItem)] == [5, 3, None, 5, None]


def test_a_republication_adopts_the_newest_version() -> None:
    republication = Republication(version(3))
    republication.harvest.on_response(CONTACTS[0], answer(StoredItem(seq=3)))
    republication.harvest.on_response(CONTACTS[1], answer(version(4)))
    requests = republication.requests_for([(contact, b"token") for contact in CONTACTS[:2]])
    assert requests == [(contact, PutItem(version(4), b"token")) for contact in CONTACTS[:2]]
    assert republication.item == version(4)
    assert republication.kept_by == ()


@pytest.mark.parametrize(
    ("holders", "is_needed"),
    [
        (CONTACTS[:8], True),  # eight copies: one publisher makes as many
        (CONTACTS[:9], False),
        (CONTACTS[1:12], True),  # the closest has none
        ([*CONTACTS[:7], *CONTACTS[8:]], True),
    ],
)
def test_what_enough_others_keep_is_left_to_them(holders: list[Contact], is_needed: bool) -> None:
    republication = Republication(version(3))
    for contact in holders:
        republication.harvest.on_response(contact, answer(StoredItem(seq=3)))
    requests = republication.requests_for([(contact, b"token") for contact in CONTACTS[:8]])
    assert bool(requests) is is_needed
    distances = [contact.key ^ version(3).target for contact in republication.kept_by]
    assert distances == sorted(distances)
    assert set(republication.kept_by) == (set() if is_needed else set(holders))
