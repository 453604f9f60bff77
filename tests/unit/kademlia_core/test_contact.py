from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from kademlia_core import Contact, Key
from transfer.address import Address

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
    assert repr(contact) == f"Contact(key={KEY!r}, address={ADDRESS!r})"


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Contact(KEY, ADDRESS).key = Key(6, 160)  # type: ignore[misc]


def test_its_hash_is_that_of_the_process_it_is_in() -> None:
    """Hashes of text are salted: one that travelled along would find nothing in a dict elsewhere."""
    write = "import sys, pickle; from kademlia_core import *; from transfer.address import *; "
    write += "sys.stdout.buffer.write(pickle.dumps(Contact(Key(5, 160), Address('10.0.0.1', 6881))))"
    pickled = subprocess.run([sys.executable, "-c", write], check=True, capture_output=True).stdout
    assert pickle.loads(pickled) in {Contact(KEY, ADDRESS)}
