"""What a mainline node does with items (BEP 44): get, put, keep and follow them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, overload

from kademlia_core.aio.following import ItemFollower
from kademlia_core.aio.keeping import Keeper, ReportT
from kademlia_core.aio.lookups import ItemLookup, RunningSearch
from kademlia_core.aio.node import Node
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.item_errors import CasMismatchError, StaleSequenceError
from kademlia_core.mainline.item_search import ImmutableHarvest, ItemPlacement, MutableHarvest, Republication
from kademlia_core.mainline.items import ImmutableItem, MutableItem, check_owner
from kademlia_core.mainline.reports import ItemT, PutReport, acceptances_of, refusals_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kademlia_core.key import Key
    from kademlia_core.mainline.config import MainlineConfig
    from kademlia_core.mainline.signing import SigningKey
    from kademlia_core.node.searches import Search
    from transfer.wire import bencode

    Update: TypeAlias = Callable[[MutableItem | None], bencode.Encodable]


class ItemCommands(Node[MainlineCore]):
    """The part of `MainlineNode` that is about items."""

    _config: MainlineConfig

    async def get_immutable(self, target: bytes | Key) -> ImmutableItem | None:
        """The item that has the hash `target` (20 bytes); None when no node that could be asked has it.

        Raises:
            InvalidKeyError, ValueError: `target` is not 20 bytes.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup.
        """
        key = self._key(target)
        running = await self._begin(lambda core, now: core.get_item(ImmutableHarvest(key), now=now))
        try:
            found: ImmutableItem | None = await running.next_found()  # one is enough, whichever network it is from
        finally:
            self._end(running)
        return found

    async def put_immutable(self, value: bencode.Encodable | ImmutableItem) -> PutReport[ImmutableItem]:
        """Stores a value with the nodes closest to its hash; once. `report.item.target` is where it is found.

        Nodes forget after two hours: see `keep`.

        Args:
            value: whatever bencode can express, up to 1000 bytes of it; or an item, to store its bytes as they are.

        Raises:
            ValueTooBigError: it takes more than 1000 bytes.
            LocalProtocolError: bencode cannot express it.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the search; nodes that have been told remember it.
        """
        item = value if isinstance(value, ImmutableItem) else ImmutableItem.of(value)
        return _report(item, await self._run(lambda core, now: core.put_item(item, now=now)))

    def find_mutable(self, public_key: bytes, salt: bytes = b"", *, seq: int | None = None) -> ItemLookup:
        """A lookup of a mutable item that yields ever newer versions: `async with` it, then `async for` over it.

        Args:
            public_key: Ed25519, 32 bytes.
            salt: which of the owner's items.
            seq: the version that is known already; only newer ones are of interest.

        Raises:
            SaltTooBigError: more than 64 bytes.
            ItemError: a public key of the wrong size.
        """
        check_owner(public_key, salt)

        async def start() -> RunningSearch:
            return await self._begin(
                lambda core, now: core.get_item(MutableHarvest(public_key, salt, seq=seq), now=now)
            )

        return ItemLookup(start, self._end)

    async def get_mutable(self, public_key: bytes, salt: bytes = b"", *, seq: int | None = None) -> MutableItem | None:
        """The newest version that any of the closest nodes has; None when none has one, or none newer than `seq`.

        Its owner signed it. `find_mutable` yields a version as soon as it is known.

        Args:
            public_key: as for `find_mutable`.
            salt: see `public_key`.
            seq: see `public_key`.

        Raises:
            SaltTooBigError, ItemError: as `find_mutable`.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup.
        """
        newest: MutableItem | None = None
        async with self.find_mutable(public_key, salt, seq=seq) as lookup:
            async for item in lookup:
                if newest is None or item.seq > newest.seq:
                    newest = item
        return newest

    async def put_mutable(
        self,
        key: SigningKey,
        value: bencode.Encodable | Update,
        salt: bytes = b"",
        *,
        cas: int | None = None,
    ) -> PutReport[MutableItem]:
        """Signs a new version of an item and stores it with the nodes closest to its target; once.

        The newest version is looked up first, and the new one gets the next sequence number. When somebody else with
        the same key writes in between, that is done again, a few times. Nodes forget after two hours: see `keep`.

        Args:
            value: whatever bencode can express, up to 1000 bytes of it. Or a function that makes it from the present
                item (None if there is none), for a change that must not undo what others wrote: each node then takes
                it only in place of the version that it was made from.
            salt: which of the owner's items.
            cas: write only if this is the present sequence number. Without effect if there is no item.

        Raises:
            CasMismatchError: the present version is another than `cas`, or others wrote faster again and again.
            ValueTooBigError, SaltTooBigError, LocalProtocolError: as `MutableItem.sign`.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the search; nodes that have been told remember it.
        """
        is_bound = cas is not None or callable(value)
        written: PutReport[MutableItem] | None = None
        for attempts_left in reversed(range(self._config.repetition.max_put_attempts + 1)):
            running, harvests = await self._read(key.public_key, salt)
            present = _newest(harvests.values())
            if written is not None and (present is None or present == written.item):
                return written  # whoever refused it had no better one
            if not attempts_left:
                break
            if cas is not None and present is not None and present.seq != cas:
                raise CasMismatchError(f"the present version is {present.seq}, not {cas}; read it again")
            item = MutableItem.sign(
                key,
                value(present) if callable(value) else value,
                seq=present.seq + 1 if present is not None else 1,
                salt=salt,
            )
            placements = {
                search: ItemPlacement(item, replacing=harvest if is_bound else None)
                for search, harvest in harvests.items()
            }
            written = _report(item, await self._place(running, placements.__getitem__))
            if not any(isinstance(refusal.error, CONFLICTS) for refusal in written.refused):
                return written
        raise CasMismatchError("others wrote this item again and again; try later")

    async def put_signed(self, item: MutableItem) -> PutReport[MutableItem]:
        """Stores a version that was signed elsewhere, as it is; once. Nodes that have a newer one refuse it.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the search; nodes that have been told remember it.
        """
        return _report(item, await self._run(lambda core, now: core.put_item(item, now=now)))

    @overload
    def keep(self, item: ImmutableItem) -> Keeper[PutReport[ImmutableItem]]: ...

    @overload
    def keep(self, item: MutableItem) -> Keeper[PutReport[MutableItem]]: ...

    def keep(
        self, item: ImmutableItem | MutableItem
    ) -> Keeper[PutReport[ImmutableItem]] | Keeper[PutReport[MutableItem]]:
        """Stores an item, one's own or somebody else's, at once and then every hour: `async with` it.

        When a newer version of a mutable item turns up, that is kept from then on; `report.item` says which it is. A
        mutable item that enough others keep as well is looked at, but not written (BEP 44).
        """
        if isinstance(item, ImmutableItem):
            return self._keeper(lambda: self.put_immutable(item))
        newest = item

        async def say() -> PutReport[MutableItem]:
            nonlocal newest
            report = await self._republish(newest)
            newest = report.item
            return report

        return self._keeper(say)

    def follow(
        self, public_key: bytes, salt: bytes = b"", *, since: int | None = None, republish: bool = False
    ) -> ItemFollower:
        """The versions of a mutable item as they appear: `async with` it, then `async for` over it.

        For a torrent that changes (BEP 46), `kademlia_core.mainline.pointer.info_hash_in(item.value)` is what it points
        to, and `PointerLink.parse` gives the key and salt of a magnet link.

        Args:
            public_key: as for `find_mutable`.
            salt: see `public_key`.
            since: the version that is known already; only newer ones are of interest.
            republish: store what was seen again every hour, as `keep` does, so that it outlives its owner's machine.

        Raises:
            SaltTooBigError, ItemError: as `find_mutable`.
        """
        check_owner(public_key, salt)
        return ItemFollower(
            lambda seq: self.find_mutable(public_key, salt, seq=seq),
            self._keep_newest if republish else None,
            since=since,
            config=self._config.repetition,
            rng=self._rng,
        )

    def _keep_newest(self, newest: Callable[[], MutableItem], delay_s: float) -> Keeper[PutReport[MutableItem]]:
        return self._keeper(lambda: self._republish(newest()), delay_s)

    def _keeper(self, say: Callable[[], Awaitable[ReportT]], delay_s: float = 0.0) -> Keeper[ReportT]:
        repetition = self._config.repetition
        return Keeper(
            say,
            interval_s=repetition.republish_interval_s,
            retry_s=repetition.retry_s,
            delay_s=delay_s,
            rng=self._rng,
        )

    async def _read(self, public_key: bytes, salt: bytes) -> tuple[RunningSearch, dict[Search, MutableHarvest]]:
        """Searches for all versions of an item, and what they found."""
        harvests: dict[Search, MutableHarvest] = {}

        def start(core: MainlineCore, now: float) -> Search:
            harvest = MutableHarvest(public_key, salt)
            search = core.get_item(harvest, now=now)
            harvests[search] = harvest
            return search

        return await self._run(start), harvests

    async def _republish(self, item: MutableItem) -> PutReport[MutableItem]:
        republications: list[Republication] = []

        def start(core: MainlineCore, now: float) -> Search:
            republication = Republication(item)
            republications.append(republication)
            return core.get_item(republication.harvest, placement=republication, now=now)

        running = await self._run(start)
        newest = max((republication.item for republication in republications), key=lambda each: each.seq)
        kept_by = tuple(holder for republication in republications for holder in republication.kept_by)
        return replace(_report(newest, running), accepted_by=acceptances_of(running.searches) + kept_by)


def _newest(harvests: Iterable[MutableHarvest]) -> MutableItem | None:
    items = [harvest.item for harvest in harvests if harvest.item is not None]
    return max(items, key=lambda item: item.seq, default=None)


def _report(item: ItemT, running: RunningSearch) -> PutReport[ItemT]:
    searches = running.searches
    return PutReport(item, acceptances_of(searches), refusals_of(searches), running.statistics())


CONFLICTS = (CasMismatchError, StaleSequenceError)
