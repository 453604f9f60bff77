"""What a mainline node does with items (BEP 44): get, put, keep and follow them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, overload

from kademlia_core.aio.keeping import Keeper, ReportT
from kademlia_core.aio.mainline.following import ItemFollower
from kademlia_core.aio.mainline.lookups import ItemLookup
from kademlia_core.mainline.item_errors import CasMismatchError, StaleSequenceError
from kademlia_core.mainline.item_lookup import ImmutableHarvest, ItemPlacement, MutableHarvest, Republication
from kademlia_core.mainline.items import ImmutableItem, MutableItem, check_owner
from kademlia_core.mainline.reports import ItemT, PutReport, acceptances_of, refusals_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from random import Random

    from kademlia_core.aio.lookups import RunningLookup
    from kademlia_core.aio.networks import Networks
    from kademlia_core.engine.lookup import EngineLookup
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import RepetitionConfig
    from kademlia_core.mainline.core import MainlineCore
    from kademlia_core.mainline.signing import SigningKey
    from transfer.wire import bencode

    Update: TypeAlias = Callable[[MutableItem | None], bencode.Encodable]


class ItemCommands:
    """Carries out what `MainlineNode` says of items; see there."""

    def __init__(self, networks: Networks[MainlineCore], *, config: RepetitionConfig, rng: Random) -> None:
        self._networks = networks
        self._config = config
        self._rng = rng

    async def get_immutable(self, key: Key) -> ImmutableItem | None:
        running = await self._networks.begin(lambda core, now: core.get_item(ImmutableHarvest(key), now=now))
        try:
            found: ImmutableItem | None = await running.next_found()  # one is enough, whichever network it is from
        finally:
            self._networks.end(running)
        return found

    async def put_immutable(self, value: bencode.Encodable | ImmutableItem) -> PutReport[ImmutableItem]:
        item = value if isinstance(value, ImmutableItem) else ImmutableItem.of(value)
        return _report(item, await self._networks.run(lambda core, now: core.put_item(item, now=now)))

    def find_mutable(self, public_key: bytes, salt: bytes = b"", *, seq: int | None = None) -> ItemLookup:
        check_owner(public_key, salt)

        async def start() -> RunningLookup:
            return await self._networks.begin(
                lambda core, now: core.get_item(MutableHarvest(public_key, salt, seq=seq), now=now)
            )

        return ItemLookup(start, self._networks.end)

    async def get_mutable(self, public_key: bytes, salt: bytes = b"", *, seq: int | None = None) -> MutableItem | None:
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
        is_bound = cas is not None or callable(value)
        written: PutReport[MutableItem] | None = None
        for attempts_left in reversed(range(self._config.max_put_attempts + 1)):
            running, harvests = await self._read(key.public_key, salt)
            present = _newest(harvests.values())
            if written is not None and (present is None or present == written.item):
                return written  # a node that refused it had no better one
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
                lookup: ItemPlacement(item, replacing=harvest if is_bound else None)
                for lookup, harvest in harvests.items()
            }
            written = _report(item, await self._networks.place(running, placements.__getitem__))
            if not any(isinstance(refusal.error, CONFLICTS) for refusal in written.refused):
                return written
        raise CasMismatchError("others wrote this item again and again; try later")

    async def put_signed(self, item: MutableItem) -> PutReport[MutableItem]:
        return _report(item, await self._networks.run(lambda core, now: core.put_item(item, now=now)))

    @overload
    def keep(self, item: ImmutableItem) -> Keeper[PutReport[ImmutableItem]]: ...

    @overload
    def keep(self, item: MutableItem) -> Keeper[PutReport[MutableItem]]: ...

    def keep(
        self, item: ImmutableItem | MutableItem
    ) -> Keeper[PutReport[ImmutableItem]] | Keeper[PutReport[MutableItem]]:
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
        check_owner(public_key, salt)
        return ItemFollower(
            lambda seq: self.find_mutable(public_key, salt, seq=seq),
            self._keep_newest if republish else None,
            since=since,
            config=self._config,
            rng=self._rng,
        )

    def _keep_newest(self, newest: Callable[[], MutableItem], delay_s: float) -> Keeper[PutReport[MutableItem]]:
        return self._keeper(lambda: self._republish(newest()), delay_s)

    def _keeper(self, say: Callable[[], Awaitable[ReportT]], delay_s: float = 0.0) -> Keeper[ReportT]:
        return Keeper(
            say,
            interval_s=self._config.republish_interval_s,
            retry_s=self._config.retry_s,
            delay_s=delay_s,
            rng=self._rng,
        )

    async def _read(self, public_key: bytes, salt: bytes) -> tuple[RunningLookup, dict[EngineLookup, MutableHarvest]]:
        """Looks up all versions of an item, and what they found."""
        harvests: dict[EngineLookup, MutableHarvest] = {}

        def start(core: MainlineCore, now: float) -> EngineLookup:
            harvest = MutableHarvest(public_key, salt)
            lookup = core.get_item(harvest, now=now)
            harvests[lookup] = harvest
            return lookup

        return await self._networks.run(start), harvests

    async def _republish(self, item: MutableItem) -> PutReport[MutableItem]:
        republications: list[Republication] = []

        def start(core: MainlineCore, now: float) -> EngineLookup:
            republication = Republication(item)
            republications.append(republication)
            return core.get_item(republication.harvest, placement=republication, now=now)

        running = await self._networks.run(start)
        newest = max((republication.item for republication in republications), key=lambda each: each.seq)
        kept_by = tuple(holder for republication in republications for holder in republication.kept_by)
        return replace(_report(newest, running), accepted_by=acceptances_of(running.lookups) + kept_by)


def _newest(harvests: Iterable[MutableHarvest]) -> MutableItem | None:
    items = [harvest.item for harvest in harvests if harvest.item is not None]
    return max(items, key=lambda item: item.seq, default=None)


def _report(item: ItemT, running: RunningLookup) -> PutReport[ItemT]:
    lookups = running.lookups
    return PutReport(item, acceptances_of(lookups), refusals_of(lookups), running.statistics())


CONFLICTS = (CasMismatchError, StaleSequenceError)
