from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from kademlia_core import Contact, Key
from transfer.address import Address, AddressError

KEY, ADDRESS = Key(5, 160), Address("10.0.0.1", 6881)


def test_equal_are_those_with_the_same_key_and_address() -> None:
    contact = Contact(KEY, ADDRESS)
    assert contact == Contact(Key(5, 160), Address("10.0.0.1", 6881))
    assert len({contact, Contact(Key(5, 160), Address("10.0.0.1", 6881))}) == 1
    assert contact not in {
        Contact(Key(6, 160), ADDRESS),
        Contact(KEY, Address("10.0.0.1", 1)),
        Contact(Key(5, 8), ADDRESS),
    }
    assert repr(contact) == f"Contact(key={KEY!r}, endpoint={ADDRESS!r})"


def test_it_cannot_be_changed() -> None:
    contact = Contact(KEY, ADDRESS)
    for name in ("key", "address", "_hash", "another"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(contact, name, KEY)
    with pytest.raises(AttributeError, match="immutable"):
        del contact.key
    assert contact == copy.deepcopy(contact)


def test_the_compact_form_is_the_key_and_the_endpoint() -> None:
    contact = Contact(KEY, ADDRESS)
    assert contact.compact() == bytes(19) + b"\x05\x0a\x00\x00\x01\x1a\xe1"
    assert contact.compact() is contact.compact()
    assert Contact(Key(5, 8), Address("::1", 1)).compact() == b"\x05" + bytes(15) + b"\x01\x00\x01"
    with pytest.raises(AddressError):
        Contact(KEY, Address("localhost", 1)).compact()


def test_what_was_read_from_the_wire_lately_is_the_same_object_again() -> None:
    data = bytes(19) + b"\x05\x0a\x00\x00\x01\x1a\xe1"
    contact = Contact.from_compact(data, 20)
    assert contact == Contact(KEY, ADDRESS)
    assert Contact.from_compact(bytes(bytearray(data)), 20) is contact
    assert contact.compact() == data
    with pytest.raises(AddressError):
        Contact.from_compact(data[:-1], 20)


def test_its_hash_is_that_of_the_process_it_is_in() -> None:
    """Hashes of text are salted: one that travelled along would find nothing in a dict elsewhere."""
    write = "import sys, pickle; from kademlia_core import *; from transfer.address import *; "
    write += "sys.stdout.buffer.write(pickle.dumps(Contact(Key(5, 160), Address('10.0.0.1', 6881))))"
    pickled = subprocess.run([sys.executable, "-c", write], check=True, capture_output=True).stdout
    assert pickle.loads(pickled) in {Contact(KEY, ADDRESS)}
