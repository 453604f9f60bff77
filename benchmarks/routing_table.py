"""What a full routing table costs: microseconds for each thing that is asked of it, and its memory.

Run with `python -m benchmarks.routing_table`. The tables have met 50,000 nodes with public addresses. Each figure is
the median over batches of 200 calls of the quickest of eight runs, so that a busy machine does not matter much.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Sequence
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from kademlia_core import Contact, Key, RoutingTable, RoutingTableConfig
from transfer import Address, packed_host, subnet_of

NODES_MET = 50_000
BATCH = 200
CONFIGS = {
    "k = 8": RoutingTableConfig(),
    "k = 20": RoutingTableConfig(bucket_size=20),
    "128/64/32/16/8": RoutingTableConfig(first_bucket_sizes=(128, 64, 32, 16)),
}


def main() -> None:
    for name, config in CONFIGS.items():
        table, memory_bytes = measure_memory(config)
        print(f"{name}: {len(table)} contacts in {table.bucket_count} buckets, {memory_bytes / 1024:.0f} KiB")
        measure_table(table)
    print("keys and contacts")
    measure_parts()


def filled_table(config: RoutingTableConfig) -> RoutingTable:
    rng = Random(1)
    table = RoutingTable(Key.random(160, rng), config=config)
    for _ in range(NODES_MET):
        table.on_response(random_contact(rng), now=0.0)
    return table


def random_contact(rng: Random) -> Contact:
    host = f"{rng.randrange(11, 126)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
    return Contact(Key.random(160, rng), Address(host, rng.randrange(1024, 65536)))


def measure_memory(config: RoutingTableConfig) -> tuple[RoutingTable, int]:
    """A full table and the bytes that it keeps, contacts included."""
    gc.collect()
    tracemalloc.start()
    table = filled_table(config)
    subnet_of.cache_clear()
    packed_host.cache_clear()
    gc.collect()
    memory_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return table, memory_bytes


def measure_table(table: RoutingTable) -> None:
    rng, k = Random(2), table.config.bucket_size
    targets = [Key.random(160, rng) for _ in range(4000)]
    strangers = [random_contact(rng) for _ in range(4000)]
    known = list(table) * 20
    report(f"closest {k} to a target", lambda target: table.closest(target, k), targets)
    report("query of a known node", lambda contact: table.on_query(contact, now=1.0), known)
    report("query of a stranger", lambda contact: table.on_query(contact, now=1.0), strangers)
    report("answer of a known node", lambda contact: table.on_response(contact, now=1.0), known)
    report("answer of a stranger", lambda contact: table.on_response(contact, now=1.0), strangers)
    report("whether a stranger is worth a ping", table.wants, strangers)
    for contact in list(table)[::9]:
        table.on_failure(contact, now=2.0)
    report("closest, a ninth of the contacts failing", lambda target: table.closest(target, k), targets)


def measure_parts() -> None:
    rng = Random(3)
    data = [rng.randbytes(20) for _ in range(4000)]
    keys = [Key.from_bytes(each) for each in data]
    address = Address("8.8.4.4", 6881)
    contacts = [Contact(key, address) for key in keys]
    report("Key.from_bytes", Key.from_bytes, data)
    report("bytes(key)", bytes, keys)
    report("Contact(key, address)", lambda key: Contact(key, address), keys)
    report("hash(contact), not the first time", hash, contacts)
    report("contact.compact(), not the first time", Contact.compact, contacts)


def report(what: str, call: Callable[[Any], object], arguments: Sequence[Any]) -> None:
    print(f"  {what:42} {time_us(call, arguments) - time_us(_nothing, arguments):6.2f} us")


def time_us(call: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    return median(
        min(_batch_s(call, arguments[at : at + BATCH]) for _ in range(8)) / BATCH * 1e6
        for at in range(0, len(arguments) - BATCH + 1, BATCH)
    )


def _nothing(_: Any) -> None:
    """The loop and the call themselves are not what is measured."""


def _batch_s(call: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    began = perf_counter()
    for argument in arguments:
        call(argument)
    return perf_counter() - began


if __name__ == "__main__":
    main()
