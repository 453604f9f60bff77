"""A node of the BitTorrent DHT on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from kademlia_core.aio.mainline.items import ItemCommands
from kademlia_core.aio.mainline.peers import PeerCommands
from kademlia_core.aio.mainline.samples import SampleCommands
from kademlia_core.aio.names import NameQuestion
from kademlia_core.aio.node import Node
from kademlia_core.key import Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import DEFAULT_CONFIG, KEY_BITS, PUBLIC_ROUTERS, MainlineConfig
from kademlia_core.mainline.core import MainlineCore, MainlineStats
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.messages import Ping, Query
from transfer.address import Address

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from pathlib import Path

    from kademlia_core.aio.keeping import Keeper
    from kademlia_core.aio.mainline.following import ItemFollower
    from kademlia_core.aio.mainline.items import Update
    from kademlia_core.aio.mainline.lookups import ItemLookup, PeerLookup
    from kademlia_core.aio.mainline.walking import InfoHashWalk
    from kademlia_core.mainline.reports import AnnounceReport, PutReport
    from kademlia_core.mainline.sampling import InfoHashSample
    from kademlia_core.mainline.scrape import ScrapeReport
    from kademlia_core.mainline.signing import SigningKey
    from transfer.aio.datagram_port import DatagramPort
    from transfer.wire import bencode


class MainlineNode(Node[MainlineCore]):
    """A node of the BitTorrent DHT: finds peers, announces, keeps items, and answers all other nodes.

    Enter it with `async with`: that binds the socket and begins to join the network in the background. Every lookup
    waits for that by itself. An empty `bootstrap` starts a network of one's own.

    Args:
        host: IP address to bind: "0.0.0.0" or an address of this machine; an IPv6 one makes it a node of the IPv6 DHT.
            A tuple of one of each makes it a node of both.
        port: UDP port, 0 for any free one.
        datagrams: a bound port to share instead of binding one, or a tuple of one of each address family. They stay
            the caller's to close, after the node; `host` and `port` are without meaning then.
        bootstrap: where to enter the network; names are resolved. Default: the well-known public routers.
        node_id: a key of 160 bits; random when not given.
        rng: source of all randomness; the operating system's when not given.
        state_file: where to keep the key and the contacts from one run to the next, so that the next one needs no
            bootstrap address. A damaged file is replaced, with a warning in the log.
    """

    _first_bytes = krpc.FIRST_BYTES

    def __init__(
        self,
        *,
        host: str | tuple[str, ...] = "0.0.0.0",
        port: int = 0,
        datagrams: DatagramPort | tuple[DatagramPort, ...] = (),
        bootstrap: Iterable[tuple[str, int]] = PUBLIC_ROUTERS,
        node_id: Key | None = None,
        config: MainlineConfig | None = None,
        rng: random.Random | None = None,
        state_file: Path | str | None = None,
    ) -> None:
        config = config or DEFAULT_CONFIG
        super().__init__(
            host=host,
            port=port,
            datagrams=datagrams,
            bootstrap=bootstrap,
            config=config,
            rng=rng,
            node_id=node_id,
            state_file=state_file,
        )
        self._mainline_config = config
        self._peers = PeerCommands(self._networks, config=config, rng=self._rng)
        self._items = ItemCommands(self._networks, config=config.repetition, rng=self._rng)
        self._samples = SampleCommands(self._networks, config=config.sampling, rng=self._rng)

    def find_peers(self, info_hash: bytes | Key, *, no_seeds: bool = False) -> PeerLookup:
        """A lookup of all peers that share `info_hash` (20 bytes): `async with` it, then `async for` over it.

        Args:
            no_seeds: ask for peers that still download, as a seed would (BEP 33). Some nodes name all the same.

        Raises:
            InvalidKeyError, ValueError: `info_hash` is not 20 bytes.
        """
        return self._peers.find(self._key(info_hash), no_seeds=no_seeds)

    async def announce(
        self, info_hash: bytes | Key, *, port: int, implied_port: bool = False, seed: bool = False
    ) -> AnnounceReport:
        """Tells the nodes closest to `info_hash` that this machine shares it on TCP and uTP `port`; once.

        Nodes forget after half an hour or more: see `keep_announced`.

        Args:
            implied_port: let the nodes take the UDP port that this node is seen at instead (behind some NATs).
            seed: this machine has all of it (BEP 33).

        Raises:
            ValueError: `port` is not from 1 to 65535.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        return await self._peers.announce(self._key(info_hash), port=port, implied_port=implied_port, seed=seed)

    def keep_announced(
        self, info_hash: bytes | Key, *, port: int, implied_port: bool = False, seed: bool = False
    ) -> Keeper[AnnounceReport]:
        """Announces at once and then every 15 minutes or so, as long as it is entered: `async with` it.

        Args:
            port: as for `announce`. When they change, enter another keeper and leave this one.
            implied_port: see `port`.
            seed: see `port`.

        Raises:
            ValueError: `port` is not from 1 to 65535, or `info_hash` not 20 bytes.
        """
        return self._peers.keep_announced(self._key(info_hash), port=port, implied_port=implied_port, seed=seed)

    async def scrape(self, info_hash: bytes | Key) -> ScrapeReport:
        """Estimates how many share `info_hash`, without meeting them (BEP 33).

        Raises:
            InvalidKeyError, ValueError: `info_hash` is not 20 bytes.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup.
        """
        return await self._peers.scrape(self._key(info_hash))

    async def get_immutable(self, target: bytes | Key) -> ImmutableItem | None:
        """The item that has the hash `target` (20 bytes); None when no node that could be asked has it.

        Raises:
            InvalidKeyError, ValueError: `target` is not 20 bytes.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup.
        """
        return await self._items.get_immutable(self._key(target))

    async def put_immutable(self, value: bencode.Encodable | ImmutableItem) -> PutReport[ImmutableItem]:
        """Stores a value with the nodes closest to its hash; once. `report.item.target` is where it is found.

        Nodes forget after two hours: see `keep`.

        Args:
            value: whatever bencode can express, up to 1000 bytes of it; or an item, to store its bytes as they are.

        Raises:
            ValueTooBigError: it takes more than 1000 bytes.
            LocalProtocolError: bencode cannot express it.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        return await self._items.put_immutable(value)

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
        return self._items.find_mutable(public_key, salt, seq=seq)

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
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup.
        """
        return await self._items.get_mutable(public_key, salt, seq=seq)

    async def put_mutable(
        self,
        key: SigningKey,
        value: bencode.Encodable | Update,
        salt: bytes = b"",
        *,
        cas: int | None = None,
    ) -> PutReport[MutableItem]:
        """Signs a new version of an item and stores it with the nodes closest to its target; once.

        The newest version is looked up first, and the new one gets the next sequence number. When another program with
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
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        return await self._items.put_mutable(key, value, salt, cas=cas)

    async def put_signed(self, item: MutableItem) -> PutReport[MutableItem]:
        """Stores a version that was signed elsewhere, as it is; once. Nodes that have a newer one refuse it.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        return await self._items.put_signed(item)

    @overload
    def keep(self, item: ImmutableItem) -> Keeper[PutReport[ImmutableItem]]: ...

    @overload
    def keep(self, item: MutableItem) -> Keeper[PutReport[MutableItem]]: ...

    def keep(
        self, item: ImmutableItem | MutableItem
    ) -> Keeper[PutReport[ImmutableItem]] | Keeper[PutReport[MutableItem]]:
        """Stores an item, one's own or another's, at once and then every hour: `async with` it.

        When a newer version of a mutable item turns up, that is kept from then on; `report.item` says which it is. A
        mutable item that enough others keep as well is looked at, but not written (BEP 44).
        """
        return self._items.keep(item)

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
        return self._items.follow(public_key, salt, since=since, republish=republish)

    async def sample(self, address: tuple[str, int]) -> InfoHashSample | None:
        """Some of the info-hashes that the node at `address` keeps peers of; None from a node that does not tell.

        Asking it again within `interval_s` of the answer would bring nothing new. Joining is not waited for.

        Raises:
            QueryRefusedError: the node answered with an error.
            NoAnswerError: no node answered, or the name has no address.
            NodeClosedError: the node is not open.
        """
        return await self._samples.sample(Address(*address))

    def walk_samples(self) -> InfoHashWalk:
        """A walk through the whole network that asks each node for its info-hashes: `async with`, then `async for`.

        It asks at the pace of `config.sampling`, each node no more often than that node wants, and does not end.
        """
        return self._samples.walk()

    def statistics(self) -> MainlineStats:
        """Of both networks together, if the node is part of two.

        Raises:
            NodeClosedError: the node is not open.
        """
        return MainlineStats.summed(driver.core.stats(now=driver.now) for driver in self._networks.open_drivers)

    @property
    def external_hosts(self) -> tuple[str, ...]:
        """The IP addresses at which enough nodes agree to see this one, at most one of each family.

        Raises:
            NodeClosedError: the node is not open.
        """
        hosts = (driver.core.external_host for driver in self._networks.open_drivers)
        return tuple(host for host in hosts if host is not None)

    def seen_as(self) -> dict[str, int]:
        """The IP addresses at which nodes say they see this one, each with how many networks say so.

        Raises:
            NodeClosedError: the node is not open.
        """
        return {
            host: count
            for driver in self._networks.open_drivers
            for host, count in driver.core.seen_as(now=driver.now).items()
        }

    def _make_core(self, local: Address, node_id: Key | None) -> MainlineCore:
        return MainlineCore(
            rng=self._rng,
            now=self._loop.time(),
            node_id=node_id,
            config=self._mainline_config,
            is_ipv6=local.is_ipv6,
            keeps_id=self._node_id is not None,
        )

    def _ask_name(self) -> NameQuestion:
        transaction_id = self._rng.randbytes(8)
        sender = Key.random(KEY_BITS, self._rng)  # whoever reads it must not learn that it was us
        query = Query(transaction_id, sender, Ping(), is_read_only=True)
        return NameQuestion(krpc.encode(query), lambda data: transaction_id in data)

    @property
    def _key_bits(self) -> int:
        return KEY_BITS
