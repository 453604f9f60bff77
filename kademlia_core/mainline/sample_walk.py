"""A walk through the whole key space that asks each node once for a sample of its info-hashes (BEP 51)."""

from __future__ import annotations

from bisect import bisect_left, insort
from operator import attrgetter
from typing import TYPE_CHECKING

from kademlia_core.key import Key
from kademlia_core.mainline.sampling import SampleVisits
from transfer.address import is_usable_peer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.mainline.config import SamplingConfig
    from kademlia_core.mainline.sampling import InfoHashSample
    from transfer.address import Address


class SampleWalk:
    """Says which node to ask next, and for which target, and learns from the answers which others there are.

    It sweeps upwards through the keys of the nodes that it has heard of and not asked. Where it stands in the key space
    does not matter to the nodes; that it moves on does, for them and the networks they are in.

    The target of a query shares a random number of bits with the key of the node that is asked, up to about as many as
    its neighbours share. So answers name its neighbours, and the neighbours of others far away, alike: the first alone
    would leave the walk inside small groups of nodes that know each other best, the second alone would find nodes of
    sparse regions last. A walk that is about to run out of nodes looks far.

    Invariants: a node waits once, and not while it is asked or is to be left alone; at most `max_waiting` nodes wait
    and at most `parallel` are asked; they are asked at `queries_per_s` on average.
    """

    def __init__(self, *, config: SamplingConfig, depth_bits: int, rng: Random) -> None:
        """A walk that knows no node.

        Args:
            depth_bits: how many bits the keys of neighbours share, about: the number of buckets of a routing table.
        """
        self._config = config
        self._depth_bits = depth_bits
        self._rng = rng
        self._visits = SampleVisits(config)
        self._waiting: list[Contact] = []  # by key
        self._addresses: set[Address] = set()  # of those that wait or are asked
        self._asked: set[Address] = set()
        self._position = 0  # all keys below have been passed in this sweep
        self._next_at = 0.0

    def add(self, contacts: Iterable[Contact], *, now: float) -> None:
        """Nodes heard of, by answers or elsewhere."""
        for contact in contacts:
            address = contact.address
            if len(self._waiting) >= self._config.max_waiting:
                return
            if address in self._addresses or not is_usable_peer(address) or not self._visits.may_ask(address, now=now):
                continue
            self._addresses.add(address)
            insort(self._waiting, contact, key=_VALUE)

    def next_query(self, *, now: float) -> tuple[Contact, Key] | None:
        """The node to ask for a sample now, and the target to name; None when it is time to wait.

        The outcome must be reported.
        """
        if not self._waiting or len(self._asked) >= self._config.parallel or now < self._next_at:
            return None
        index = bisect_left(self._waiting, self._position, key=_VALUE)
        contact = self._waiting.pop(index if index < len(self._waiting) else 0)
        self._position = contact.key.value + 1
        self._asked.add(contact.address)
        self._next_at = now + 1 / self._config.queries_per_s
        return contact, self._target_at(contact.key)

    def next_timer(self, *, now: float) -> float:
        """When `next_query` may have an answer again without any input; infinite if only inputs help.

        With no node left to ask, that is when the first may be asked again: `add` those known by other means then.
        """
        if len(self._asked) >= self._config.parallel:
            return float("inf")
        return max(self._next_at, now) if self._waiting else self._visits.next_free(now=now)

    def on_answer(
        self, contact: Contact, contacts: Iterable[Contact], sample: InfoHashSample | None, *, now: float
    ) -> None:
        """A node answered and named others. Without a sample it does not know BEP 51."""
        self._leave(contact.address)
        interval_s = None if sample is None else max(sample.interval_s, MIN_INTERVAL_S)
        self._visits.on_answer(contact.address, interval_s, now=now)
        self.add(contacts, now=now)

    def on_failure(self, contact: Contact, *, now: float) -> None:
        """A node did not answer."""
        self._leave(contact.address)
        self._visits.on_answer(contact.address, None, now=now)

    @property
    def waiting_count(self) -> int:
        """How many nodes are known and still to be asked."""
        return len(self._waiting)

    def check_invariants(self, *, now: float) -> None:
        """Asserts what the class promises."""
        waiting = {contact.address for contact in self._waiting}
        assert len(waiting) == len(self._waiting) <= self._config.max_waiting
        assert not waiting & self._asked
        assert waiting | self._asked == self._addresses
        assert len(self._asked) <= self._config.parallel
        assert [contact.key.value for contact in self._waiting] == sorted(map(_VALUE, self._waiting))
        assert all(self._visits.may_ask(address, now=now) for address in self._addresses) or self._visits.is_full
        self._visits.check_invariants(now=now)

    def _leave(self, address: Address) -> None:
        self._asked.discard(address)
        self._addresses.discard(address)

    def _target_at(self, key: Key) -> Key:
        shared_bits = self._rng.randint(0, min(self._depth_bits, len(self._waiting), key.bits - 1))
        free_bits = key.bits - shared_bits
        return Key((key.value >> free_bits) << free_bits | self._rng.getrandbits(free_bits), key.bits)


_VALUE = attrgetter("key.value")
MIN_INTERVAL_S = 600  # for nodes that say they may be asked again at once, because they told all they have
