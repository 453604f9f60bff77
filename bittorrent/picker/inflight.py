"""What is under way: which block was asked from which peer and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Sequence

from bittorrent.pieces.block import Block


class InFlight:
    """The outstanding requests, by peer and by block.

    Time never runs backwards, so the order of insertion of the dictionaries is the order of age: the stalest request
    is always in front and nothing is ever sorted. Blocks that were asked from `max_requesters` peers or more are kept
    apart, so that looking for one to ask once more does not pass them by.

    Invariant: a block is listed under a peer exactly if the peer is listed under the block.
    """

    __slots__ = ("_by_block", "_by_peer", "_crowded", "_max_requesters")

    def __init__(self, *, max_requesters: int) -> None:
        self._max_requesters = max_requesters
        self._by_peer: dict[int, dict[Block, float]] = {}
        self._by_block: dict[Block, tuple[int, ...]] = {}
        self._crowded: dict[Block, tuple[int, ...]] = {}

    def add_peer(self, peer: int) -> None:
        self._by_peer[peer] = {}

    def remove_peer(self, peer: int) -> None:
        """Forget a peer, which has nothing outstanding any more."""
        del self._by_peer[peer]

    def add(self, peer: int, block: Block, *, now: float) -> None:
        """Note a request. Asking a second peer makes the block the youngest again."""
        self._by_peer[peer][block] = now
        others = self._pop(block)
        if others:
            self._list(block, (*others, peer))
        else:
            self._by_block[block] = (peer,)

    def add_fresh(self, peer: int, blocks: Sequence[Block], *, now: float) -> None:
        """`add` for blocks that no peer is asked for."""
        self._by_peer[peer].update(dict.fromkeys(blocks, now))
        self._by_block.update(dict.fromkeys(blocks, (peer,)))

    def remove(self, peer: int, block: Block) -> bool:
        """Forget one request; False when there was none. If others are asked still, the block counts as touched."""
        if self._by_peer[peer].pop(block, None) is None:
            return False
        others = tuple(other for other in self._pop(block) if other != peer)
        if others:
            self._list(block, others)
        return True

    def answer(self, peer: int, block: Block) -> tuple[int, ...] | None:
        """A block came: forget all requests for it; returns which other peers were asked. None: this peer was not."""
        return self.answer_all(peer, (block,))[0]

    def answer_all(self, peer: int, blocks: Iterable[Block]) -> list[tuple[int, ...] | None]:
        """`answer` for each."""
        asked, by_block, crowded = self._by_peer[peer], self._by_block, self._crowded
        found: list[tuple[int, ...] | None] = []
        for block in blocks:
            if asked.pop(block, None) is None:
                found.append(None)
                continue
            requesters = by_block.pop(block, ()) or crowded.pop(block, ())
            if len(requesters) == 1:
                found.append(())
                continue
            others = tuple(other for other in requesters if other != peer)
            for other in others:
                del self._by_peer[other][block]
            found.append(others)
        return found

    def withdraw(self, block: Block) -> tuple[int, ...]:
        """Forget all requests for a block; returns the peers that were asked."""
        requesters = self._pop(block)
        for peer in requesters:
            del self._by_peer[peer][block]
        return requesters

    def blocks_of(self, peer: int) -> KeysView[Block]:
        """The blocks asked from a peer, stalest first: a live view."""
        return self._by_peer[peer].keys()

    def requesters(self, block: Block) -> tuple[int, ...]:
        return self._by_block.get(block) or self._crowded.get(block, ())

    def asked_at(self, peer: int, block: Block) -> float:
        """When a request that is outstanding was made."""
        return self._by_peer[peer][block]

    def position(self, peer: int, block: Block) -> int:
        """The place of a request among those of its peer, the stalest being the first. Cost: O(result)."""
        for place, other in enumerate(self._by_peer[peer], 1):
            if other == block:
                return place
        raise KeyError(f"{block} is not asked from {peer}")

    def to_ask_again(self, *, before: float) -> Iterator[tuple[Block, tuple[int, ...]]]:
        """The blocks that may be asked for once more.

        First those that fewer than `max_requesters` were asked for, then those that no peer was asked for since
        `before`; of both the one untouched for longest comes first.
        """
        if self._max_requesters > 1:
            yield from self._by_block.items()
            for block, requesters in self._crowded.items():
                if self._by_peer[requesters[-1]][block] > before:
                    return
                yield block, requesters

    @property
    def block_count(self) -> int:
        """How many different blocks are outstanding."""
        return len(self._by_block) + len(self._crowded)

    def blocks(self) -> set[Block]:
        """The outstanding blocks. Cost: O(result), for tests."""
        return {*self._by_block, *self._crowded}

    def check_invariants(self) -> None:
        by_block = {**self._by_block, **self._crowded}
        assert len(by_block) == self.block_count
        pairs = {(peer, block) for peer, requests in self._by_peer.items() for block in requests}
        assert pairs == {(peer, block) for block, peers in by_block.items() for peer in peers}
        for requests in self._by_peer.values():
            times = list(requests.values())
            assert times == sorted(times), "requests of a peer are out of order"
        for block, requesters in self._by_block.items():
            assert len(requesters) < max(2, self._max_requesters), f"{block} is asked from many"

    def _list(self, block: Block, requesters: tuple[int, ...]) -> None:
        is_crowded = len(requesters) >= self._max_requesters
        (self._crowded if is_crowded else self._by_block)[block] = requesters

    def _pop(self, block: Block) -> tuple[int, ...]:
        return self._by_block.pop(block, ()) or (self._crowded.pop(block, ()) if self._crowded else ())
